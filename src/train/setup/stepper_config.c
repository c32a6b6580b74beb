// The step's configuration, from the configuration and the model of a run.
#include "train/setup/stepper_config.h"

// Rows of a batch: with augmentation splits every image comes three times.
static int batch_rows(const struct sqz_train_config *config)
{
    return (int)config->batch_size * (config->aug_splits > 1 ? (int)config->aug_splits : 1);
}

struct sqz_stepper_config sqz_setup_stepper_config(const struct sqz_environment *environment,
                                                   const struct sqz_setup *setup)
{
    const struct sqz_train_config *config = setup->config;
    const struct sqz_net *plain = setup->model->net;
    return (struct sqz_stepper_config){.net = setup->norm_net ? setup->norm_net : plain,
                                       .plain = setup->norm_net ? plain : NULL,
                                       .warm = setup->norm_net && *config->ckpt_path,
                                       .kernels = environment->kernels,
                                       .pool = environment->pool,
                                       .max_batch = batch_rows(config),
                                       .loss = setup->loss,
                                       .clip_value = config->clip_grad ? config->clip_value : 0,
                                       .accumulate = (int)config->gradient_accumulation_steps,
                                       .ema_decay = config->ema ? config->ema_decay : 0,
                                       .seed = (uint64_t)config->seed,
                                       .ranks = environment->ranks,
                                       .bf16 = config->comm_dtype == SQZ_COMM_BF16};
}
