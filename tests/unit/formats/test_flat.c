// Flat models and the runtime for microcontrollers, with units of 4 bytes.
#define SQZ_RT_PLAIN 4
#include "flat_checks.h"

int main(void)
{
    return run_flat_tests();
}
