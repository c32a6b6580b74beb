// Runs the exported model on image.ppm and prints what a test wants to know: a digest of the class
// sums, instructions, bytes of stack, and whether anything was written outside the arena. For the
// computer and for the emulator with -icount shift=0, where an instruction takes 1 ns of virtual
// time.
#include "model.h"

#include <stdio.h>
#include <string.h>

#ifdef __arm__
#ifndef NS_PER_TICK
#error "define NS_PER_TICK, times 100: of the board's SysTick"
#endif
#define SYST_CSR (*(volatile uint32_t *)0xe000e010)
#define SYST_RVR (*(volatile uint32_t *)0xe000e014)
#define SYST_CVR (*(volatile uint32_t *)0xe000e018)
static volatile uint32_t wraps;
void systick(void)
{
    wraps++;
}
static unsigned long long ticks(void)
{
    return (unsigned long long)wraps * 0x1000000 + (0xffffff - SYST_CVR);
}
#endif

enum { CANARY = 64 };
static unsigned char memory[CANARY + MODEL_ARENA + CANARY] __attribute__((aligned(16)));
static unsigned char image[MODEL_HEIGHT * MODEL_WIDTH * MODEL_CHANNELS];
static struct sqz_rt rt;

static int canaries_live(void)
{
    for (int i = 0; i < CANARY; i++)
        if (memory[i] != 0xa5 || memory[CANARY + MODEL_ARENA + i] != 0xa5)
            return 0;
    return 1;
}

// Fills the stack below this call, or tells how much of that was overwritten.
static size_t __attribute__((noinline)) stack_used(int fill)
{
    enum { DEPTH = 8192 };
    volatile unsigned char stack[DEPTH];
    size_t used = 0;
    for (int i = 0; i < DEPTH; i++) {
        if (fill)
            stack[i] = 0x5a;
        else if (stack[i] != 0x5a && !used)
            used = (size_t)(DEPTH - i);
    }
    return used;
}

int main(void)
{
    int w, h, most;
    char kind;
    FILE *file = fopen("image.ppm", "rb");
    if (!file || fscanf(file, "P%c %d %d %d", &kind, &w, &h, &most) != 4 || fgetc(file) == EOF ||
        fread(image, 1, sizeof image, file) != sizeof image)
        return puts("image.ppm?"), 1;
    fclose(file);
    memset(memory, 0xa5, sizeof memory);
    if (sqz_rt_begin(&rt, model, model_size, memory + CANARY, MODEL_ARENA) != SQZ_RT_OK)
        return puts("begin refuses the model"), 1;
    stack_used(1);
#ifdef __arm__
    SYST_RVR = 0xffffff;
    SYST_CVR = 0;
    SYST_CSR = 7;
    while (SYST_CVR == 0) { // it loads at the first tick
    }
    unsigned long long begin = ticks();
#endif
    sqz_rt_rows(&rt, image, MODEL_HEIGHT, MODEL_WIDTH * MODEL_CHANNELS);
    int best = sqz_rt_finish(&rt);
#ifdef __arm__
    printf("instructions %llu\n", (ticks() - begin) * NS_PER_TICK / 100);
#endif
    printf("stack %lu\n", (unsigned long)stack_used(0));
    uint32_t digest = 2166136261u;
    for (int c = 0; c < rt.classes; c++)
        for (int k = 0; k < 4; k++)
            digest = (digest ^ ((uint32_t)sqz_rt_sum(&rt, c) >> 8 * k & 255)) * 16777619u;
    printf("class %d sums %08lx canaries %s\n", best, (unsigned long)digest,
           canaries_live() ? "alive" : "DEAD");
    return !canaries_live();
}
