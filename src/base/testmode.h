/*-------------------------------------------------------------------------
 *
 * testmode.h
 *	  A transaction that tests workflows: its clock, and its runs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_TESTMODE_H
#define DURABLE_TESTMODE_H

#include "datatype/timestamp.h"
#include "utils/uuid.h"

/* Is a test under way in this transaction? */
extern bool test_mode;
/* Messages sent so far, by any transaction of this session */
extern uint64 test_mode_messages;

extern void test_mode_begin(TimestampTz at);
extern void test_mode_require(const char *call);
extern MemoryContext test_mode_context(void);
extern TimestampTz test_mode_now(void);
extern TimestampTz test_mode_started_at(void);
extern void test_mode_set_clock(TimestampTz at);
extern void test_mode_add_run(const pg_uuid_t *run_id);
extern void test_mode_close_run(const pg_uuid_t *run_id);
extern bool test_mode_closed(const pg_uuid_t *run_id);
extern bool test_mode_has_run(const pg_uuid_t *run_id);
extern int	test_mode_open_runs(pg_uuid_t **run_ids);
extern void durable_testmode_init(void);

#endif							/* DURABLE_TESTMODE_H */
