/*-------------------------------------------------------------------------
 *
 * migrate.h
 *	  Moving runs to another version of their code.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_MIGRATE_H
#define DURABLE_MIGRATE_H

#include "code/rehearsal.h"
#include "store/execution.h"

/* One run of a check, as it is told. */
typedef void (*ReportRun) (void *arg, const Execution *e, const Misfit *misfit);

extern void check_runs(const char *function, text *namespace, Oid code, ReportRun report, void *arg);
extern void migrate_runs(const char *function, text *namespace, int32 version, ReportRun report, void *arg);

#endif							/* DURABLE_MIGRATE_H */
