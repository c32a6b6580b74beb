// Flat models and the runtime for microcontrollers, with units of 16 bytes, as for Arm's MVE, and
// fewer pixels at a time.
#define SQZ_RT_PLAIN 16
#define SQZ_RT_N     2
#include "flat_checks.h"

int main(void)
{
    return run_flat_tests();
}
