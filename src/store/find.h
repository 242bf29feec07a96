/*-------------------------------------------------------------------------
 *
 * find.h
 *	  Finding a run, open or closed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_FIND_H
#define DURABLE_FIND_H

#include "store/execution.h"

/* What a client call finds by workflow id or run id. */
typedef struct Found
{
	pg_uuid_t	run_id;
	Oid			owner;
	RunStatus	status;
	bool		has_next;
	pg_uuid_t	next_run_id;
	bool		ours;			/* started by this very transaction */
} Found;

extern bool find_open(Datum namespace, Datum workflow_id, Found *found);
extern bool find_closed(Datum namespace, Datum workflow_id, Found *found);
extern bool find_latest(Datum namespace, Datum workflow_id, Found *found);
extern bool find_run(const pg_uuid_t *run_id, Found *found);
extern bool find_run_of(Datum namespace, Datum workflow_id, const pg_uuid_t *run_id, Found *found);
extern uint64 find_last_stamp(void);
extern bool find_request(Datum namespace, Datum request_id, Found *found);
extern bool find_earlier_request(Datum namespace, Datum request_id, Found *found);
extern void check_owner(Oid caller, Oid owner, const char *what);
extern bool take_start_request(Datum namespace, Datum request_id, const pg_uuid_t *run_id);

#endif							/* DURABLE_FIND_H */
