/*-------------------------------------------------------------------------
 *
 * fence_rules.h
 *	  Which functions workflow code may call, and why.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_FENCE_RULES_H
#define DURABLE_FENCE_RULES_H

/* A rule for functions of pg_catalog */
typedef struct FenceRule
{
	const char *names;			/* separated by spaces; * stands for anything */
	bool		allowed;
	const char *why;
	const char *instead;		/* of what is refused, or NULL: an activity */
	int			nargs;			/* only with that many arguments, 0: any */
	Oid			argtype;		/* only with an argument of that type, 0: any */
} FenceRule;

/* What the rules say of a function */
typedef struct Verdict
{
	Oid			oid;			/* hash key */
	bool		refused;
	bool		keeps;			/* current_setting(): it depends on the name */
	const char *instead;
} Verdict;

extern const FenceRule *fence_rule(int i);
extern const Verdict *fence_verdict(Oid function);

#endif							/* DURABLE_FENCE_RULES_H */
