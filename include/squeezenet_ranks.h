// Ranks: several processes that train one network together, on one machine or many. The rules of
// squeezenet.h about errors, ownership and threads hold here, too; these functions want the context
// to themselves.
#ifndef SQUEEZENET_RANKS_H
#define SQUEEZENET_RANKS_H

#include <squeezenet_train.h>

#ifdef __cplusplus
extern "C" {
#endif

// Whether mpirun or srun started this process as one of several. Any thread.
SQZ_API bool sqz_is_rank(void);
// Whether there is a module for an MPI ("openmpi", "mpich"). Any thread.
SQZ_API bool sqz_has_mpi(const char *mpi);
// Joins the other processes, if sqz_is_rank and unless `options` (may be NULL) say distribute:
// false. sqz_train, sqz_validate and sqz_bench_run then work together; all ranks make the same
// calls and get the same results. sqz_context_free leaves; after a rank is lost, it ends the job.
// Fails with SQZ_E_STOPPED when other ranks do not come in time.
SQZ_API enum sqz_status sqz_context_join(struct sqz_context *context,
                                         const struct sqz_options *options, struct sqz_error *err);
// This process's number, and in *ranks how many there are; 0 of 1 when alone.
SQZ_API int sqz_context_rank(const struct sqz_context *context, int *ranks);
// Made by the library: later versions may append members.
struct sqz_rank_info {
    char host[72], cpus[120]; // cpus: that it may use, "0-3,8"
    int threads, level;       // level: SIMD, lower is less
};
// About one rank; NULL when alone or for a rank that does not exist. Lives as long as the context.
SQZ_API const struct sqz_rank_info *sqz_context_rank_info(const struct sqz_context *context,
                                                          int rank);
// Whether this process should show a result or a failure: only one of those that know it does.
SQZ_API bool sqz_context_is_reporter(const struct sqz_context *context);
// Runs this program with `arguments` (ended by NULL) as option worker_num's ranks under mpirun, to
// their end. When a rank is lost, up to max_restarts times again, with resume_arguments, into which
// *resume_slot (one of their places) "--resume=<run directory>" is put. Each argument is a word
// that mpirun cannot take for its own: --name, --name=value or a path ("./:", "./-x"). A failure
// that a rank has told itself comes back without a sentence.
SQZ_API enum sqz_status sqz_launch_ranks(struct sqz_context *context,
                                         const struct sqz_options *options,
                                         const char *const *arguments, const char **resume_slot,
                                         const char *const *resume_arguments,
                                         struct sqz_error *err);

#ifdef __cplusplus
}
#endif

#endif
