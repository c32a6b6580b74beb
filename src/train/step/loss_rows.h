// The rules of one row; included by loss.c only. `target` is smoothed already; `weights` (NULL: all
// 1) are one a class; `gradient` (may be NULL) gets classes values. Returns the row's sum.
#ifndef SQZ_TRAIN_STEP_LOSS_ROWS_H
#define SQZ_TRAIN_STEP_LOSS_ROWS_H

double sqz_row_ce(const float *logits, const double *target, const float *weights, int classes,
                  double *gradient);
double sqz_row_bce(const float *logits, const double *target, const float *weights, int classes,
                   double *gradient);
// `label` is the true class.
double sqz_row_asl_single(const float *logits, const double *target, int label, int classes,
                          double *gradient);
double sqz_row_asl_multi(const float *logits, const double *target, int classes, double *gradient);

#endif
