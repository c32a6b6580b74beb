// The least that a Cortex-M needs before main(), for the emulator and as a beginning for a board.
#include <stdint.h>

extern uint32_t __stack[], __data_start[], __data_end[], __data_load[], __bss_start[], __bss_end[];
extern int main(void);
extern void initialise_monitor_handles(void);
extern void systick(void) __attribute__((weak)); // the handler of the timer, if there is one
extern void exit(int) __attribute__((noreturn));

void reset(void)
{
    *(volatile uint32_t *)0xe000ed88 |= 0xf << 20; // floating point and MVE on
    __asm__ volatile("dsb\n isb");
    for (uint32_t *to = __data_start, *from = __data_load; to < __data_end;)
        *to++ = *from++;
    for (uint32_t *to = __bss_start; to < __bss_end;)
        *to++ = 0;
    initialise_monitor_handles();
    exit(main());
}

static void fault(void)
{
    for (;;)
        __asm__ volatile("bkpt 1");
}

__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    __stack, reset, fault, fault, fault, fault, fault, 0, 0, 0, 0, fault, fault, 0, fault, systick,
};
