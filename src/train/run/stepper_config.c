// The step's configuration, from the options and the model of a run.
#include "train/run/stepper_config.h"

#include "train/run/run.h"

// Rows of a batch: with augmentation splits every image comes three times.
static int batch_rows(const struct sqz_options *options)
{
    return (int)options->batch_size * (options->aug_splits > 1 ? (int)options->aug_splits : 1);
}

struct sqz_stepper_config sqz_run_stepper_config(const struct sqz_run *run)
{
    const struct sqz_options *options = run->setup.options;
    const struct sqz_net *plain = run->setup.model->net;
    return (struct sqz_stepper_config){.net = run->setup.norm_net ? run->setup.norm_net : plain,
                                       .plain = run->setup.norm_net ? plain : NULL,
                                       .warm = run->setup.norm_net && *options->ckpt_path,
                                       .kernels = run->environment->kernels,
                                       .pool = run->environment->pool,
                                       .max_batch = batch_rows(options),
                                       .loss = run->loss,
                                       .clip_value = options->clip_grad ? options->clip_value : 0,
                                       .accumulate = (int)options->gradient_accumulation_steps,
                                       .ema_decay = options->ema ? options->ema_decay : 0,
                                       .seed = (uint64_t)options->seed,
                                       .ranks = run->environment->ranks,
                                       .bf16 = sqz_choice_comm_dtype(options) == SQZ_COMM_BF16};
}
