/*-------------------------------------------------------------------------
 *
 * export_check.h
 *	  Is an exported history one that a run can have?
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_EXPORT_CHECK_H
#define DURABLE_EXPORT_CHECK_H

#include "store/history.h"

typedef struct Export
{
	HistoryRow *rows;			/* without the event that closed the run */
	int			nrows;
	bool		closed;
	int			closing_id;
	Event		closing;
	pg_uuid_t	run_id;
	pg_uuid_t  *seed;			/* of its random numbers; NULL: run_id */
} Export;

extern void export_check(const Export *export, int nevents);

#endif							/* DURABLE_EXPORT_CHECK_H */
