// Two networks' answers to one image, from their logits. At softness s the logits are divided by
// s first: 1 is the softmax itself.
#ifndef SQZ_COMPRESS_ANSWERS_H
#define SQZ_COMPRESS_ANSWERS_H

int sqz_most_probable(const float *logits, int classes); // the first of equals
double sqz_probability(const float *logits, int classes, int class, double softness);
// KL(p || q) in nats.
double sqz_kl(const float *p, const float *q, int classes, double softness);

#endif
