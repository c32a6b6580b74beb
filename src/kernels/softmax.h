// The softmax of one row of logits, in double.
#ifndef SQZ_KERNELS_SOFTMAX_H
#define SQZ_KERNELS_SOFTMAX_H

// Sum of exp((logit - *maximum) / temperature); *maximum is the largest logit. Temperature 1 is the
// plain softmax.
double sqz_exp_sum(const float *logits, int classes, double temperature, double *maximum);
// The probability of each class.
void sqz_softmax(const float *logits, int classes, float *probabilities);

#endif
