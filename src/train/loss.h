// Losses on logits (spec 10).
#ifndef SQZ_TRAIN_LOSS_H
#define SQZ_TRAIN_LOSS_H

// Softmax cross-entropy with label smoothing over n rows; the mean is over `total` rows (the whole
// batch). Returns the rows' share of the loss; dlogits (may be NULL) = its gradient * scale.
// labels: n class indices.
double sqz_loss_cross_entropy(const float *logits, const int *labels, int n, int classes, int total,
                              double smoothing, double scale, float *dlogits);
void sqz_softmax(const float *logits, int classes, float *probabilities);

#endif
