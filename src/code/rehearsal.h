/*-------------------------------------------------------------------------
 *
 * rehearsal.h
 *	  Replaying a history against code, without any effect.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_REHEARSAL_H
#define DURABLE_REHEARSAL_H

#include "store/execution.h"
#include "store/history.h"
#include "turn/turn.h"

/* The session's settings, to be restored. */
typedef struct Stage
{
	int			nestlevel;
	bool		timed;
} Stage;

/* Where the code and a history do not fit. */
typedef struct Misfit
{
	int			event;			/* id, 0: behind the last one */
	char	   *problem;		/* NULL: they do */
	bool		warning;		/* it goes on all the same */
} Misfit;

extern void stage_begin(Stage *stage, bool timed);
extern void stage_end(Stage *stage);
extern PassEnd rehearse(Turn *turn, Execution *e, const HistoryRow *rows, int nrows, const Code *code, TurnTrace trace,
						bool compare);
extern Misfit rehearse_misfit(Turn *turn);
extern Misfit rehearse_difference(Turn *turn);
extern Misfit rehearse_run(Execution *e, const HistoryRow *rows, int nrows, const Code *code, bool compare);

#endif							/* DURABLE_REHEARSAL_H */
