/*-------------------------------------------------------------------------
 *
 * planning.h
 *	  What the planner is told of the engine's own statements.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_PLANNING_H
#define DURABLE_PLANNING_H

#define PLANNER_SWITCHES	12

typedef struct PlannerPin
{
	bool		saved[PLANNER_SWITCHES];
	bool		saved_pinned;
} PlannerPin;

extern void durable_planning_init(void);
extern void planner_pin(PlannerPin *pin);
extern void planner_unpin(const PlannerPin *pin);

#endif							/* DURABLE_PLANNING_H */
