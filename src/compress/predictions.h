// Class probabilities from logits, and the KL divergence between two networks' predictions for one
// image. Logits are divided by `temperature` first: 1 is the plain softmax.
#ifndef SQZ_COMPRESS_PREDICTIONS_H
#define SQZ_COMPRESS_PREDICTIONS_H

int sqz_most_probable(const float *logits, int classes); // the first of equals
double sqz_probability(const float *logits, int classes, int class, double temperature);
// KL(p || q) in nats.
double sqz_kl(const float *p, const float *q, int classes, double temperature);

#endif
