/*-------------------------------------------------------------------------
 *
 * update.h
 *	  What became of the updates of runs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_UPDATE_H
#define DURABLE_UPDATE_H

#include "store/store.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

/* On disk: durable.update.state */
typedef enum UpdateState
{
	UPDATE_ADMITTED = 1,		/* it is in the mailbox */
	UPDATE_ACCEPTED = 2,		/* it is in the history */
	UPDATE_COMPLETED = 3,
	UPDATE_REJECTED = 4			/* by wf_reject(); by a validator leaves no trace */
} UpdateState;

typedef struct Update
{
	pg_uuid_t	run_id;
	text	   *update_id;
	Oid			owner;
	text	   *name;
	UpdateState state;
	Jsonb	   *args;
	int64		args_id;		/* 0: none */
	Jsonb	   *result;			/* or NULL */
	int64		result_id;
	Jsonb	   *failure;		/* or NULL */
	TimestampTz requested_at;
	TimestampTz accepted_at;	/* DT_NOEND: not yet */
	TimestampTz completed_at;	/* the same */
	pg_uuid_t	first_run_id;
	bool		ours;			/* requested by this very transaction */
} Update;

extern const char *update_state_name(UpdateState state);
extern bool update_insert(const Update *update);
extern bool update_find(const pg_uuid_t *run_id, const text *update_id, MemoryContext context, Update *update);
extern bool update_find_before(const pg_uuid_t *run_id, const text *update_id, pg_uuid_t *before);
extern void update_add(RowBatch *batch, const Update *update);
extern void update_write(RowBatch *batch);
extern void update_move(const pg_uuid_t *from, const pg_uuid_t *to);
extern bool update_is_answered(const pg_uuid_t *run_id, uint32 hash);

#endif							/* DURABLE_UPDATE_H */
