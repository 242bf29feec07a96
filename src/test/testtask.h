/*-------------------------------------------------------------------------
 *
 * testtask.h
 *	  Activities in queues, in a test.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_TESTTASK_H
#define DURABLE_TESTTASK_H

#include "utils/timestamp.h"

extern bool testtask_run_all(void);
extern void testtask_end_slow(void);
extern TimestampTz testtask_next_end(void);

#endif							/* DURABLE_TESTTASK_H */
