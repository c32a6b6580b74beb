// Runs an integer network fast: the same bits as sqz_integer_run, for any level, batch and number
// of threads.
#ifndef SQZ_NET_INTEGER_ENGINE_H
#define SQZ_NET_INTEGER_ENGINE_H

#include "base/threads.h"
#include "net/integer_plan.h"

struct sqz_integer_engine;

// Borrows integer and pool; integer has been checked (sqz_integer_net_check).
enum sqz_status sqz_integer_engine_new(const struct sqz_integer_net *integer,
                                       enum sqz_cpu_level most, struct sqz_pool *pool,
                                       struct sqz_integer_engine **out, struct sqz_error *err);
// The same from a packed plan, which it holds.
enum sqz_status sqz_integer_engine_share(struct sqz_integer_plan *plan, struct sqz_pool *pool,
                                         struct sqz_integer_engine **out, struct sqz_error *err);
void sqz_integer_engine_free(struct sqz_integer_engine *engine); // may be NULL
struct sqz_integer_plan *sqz_integer_engine_plan(const struct sqz_integer_engine *engine);
// pixels: n x H x W x C bytes in the network's channel order. logits: n x classes in Q16.
// Not from two threads at once.
void sqz_integer_engine_run(struct sqz_integer_engine *engine, const uint8_t *pixels, int n,
                            int32_t *logits);

#endif
