/*-------------------------------------------------------------------------
 *
 * testkit.h
 *	  Driving the runs of a test, in its own transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_TESTKIT_H
#define DURABLE_TESTKIT_H

#include "store/find.h"

extern void testkit_check_place(void);
extern void testkit_work(void);
extern void testkit_advance(TimestampTz target);
extern void testkit_await(TimestampTz until, bool (*is_there) (void *arg), void *arg);
extern bool testkit_closed(Found *run, TimestampTz until);
extern Jsonb *testkit_result(Found *run, TimestampTz until);
extern void testkit_signal_at(TimestampTz at, Datum namespace, text *id, text *signal, Jsonb *payload);

#endif							/* DURABLE_TESTKIT_H */
