/*-------------------------------------------------------------------------
 *
 * activity_option.h
 *	  The options of activities.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_ACTIVITY_OPTION_H
#define DURABLE_ACTIVITY_OPTION_H

#include "base/json.h"
#include "store/activity.h"

typedef enum OptionKind
{
	OPTION_SPAN,				/* int64: microseconds, 0: none */
	OPTION_RETRY,				/* Jsonb *: a policy, as all pointers NULL for none */
	OPTION_PRIORITY,			/* int, 0: none */
	OPTION_KEY,					/* text *: a fairness key */
	OPTION_WEIGHT,				/* double, 0: none */
	OPTION_ID,					/* text * */
	OPTION_CANCELLATION			/* Cancellation */
} OptionKind;

typedef struct ActivityOption
{
	const char *name;			/* of the argument, and in the attributes of activity_scheduled */
	OptionKind	kind;
	Size		offset;			/* in Activity */
	int			arg;			/* place in calls of workflow code, from task_queue on */
	int			change_arg;		/* place in wf_update_activity(), 0: cannot be changed */
} ActivityOption;

/* The last one has no name */
extern const ActivityOption activity_options[];
extern const char *const cancellation_names[3];

/* As one of a set of options */
#define OPTION_BIT(option)	(((uint32) 1) << ((option) - activity_options))

extern void option_copy(const ActivityOption *option, Activity *to, const Activity *from);
extern void options_describe(JsonBuilder *b, const Activity *a);
extern void options_of_description(Jsonb *attributes, Activity *a);

#endif							/* DURABLE_ACTIVITY_OPTION_H */
