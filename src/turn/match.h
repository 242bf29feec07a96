/*-------------------------------------------------------------------------
 *
 * match.h
 *	  Calls of replayed code against what is recorded.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_MATCH_H
#define DURABLE_MATCH_H

#include "store/history.h"
#include "turn/turn.h"

extern bool match_is_here(Turn *turn, int event);
extern int	match_ahead(Turn *turn);
extern void match_new(Turn *turn, const char *does);
extern void match_act(Turn *turn, int event, int ended, const char *does, const char *name);
extern char *match_end(Turn *turn);
extern void match_input(Turn *turn, const Command *command, Jsonb *input);
extern Command *turn_match(Turn *turn, EventType type, const char *what, const char *name);
extern bool turn_outcome_unknown(Turn *turn);
extern bool turn_all_matched(Turn *turn);

#endif							/* DURABLE_MATCH_H */
