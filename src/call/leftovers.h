/*-------------------------------------------------------------------------
 *
 * leftovers.h
 *	  What a step leaves in the session.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_LEFTOVERS_H
#define DURABLE_LEFTOVERS_H

/* What a step that ends is followed by */
typedef enum LeftoverScope
{
	LEFT_SHARED,				/* others' work in its transaction */
	LEFT_ALONE,					/* the end of its transaction */
	LEFT_COMMITTED				/* the same, and it may have had several */
} LeftoverScope;

extern void check_constraints(void);
extern void leftovers_begin(void);
extern void leftovers_end(LeftoverScope scope);
extern void leftovers_abort(void);
extern void leftovers_abort_sub(void);
extern void leftovers_drop_temp(void);
extern bool leftovers_active(void);
extern void leftovers_check_cursor(const char *name);
extern bool leftovers_want_alone(void);
extern void leftovers_check_refused(void);
extern void durable_leftovers_init(void);
extern void (*watch_plpgsql_hook) (void);

#endif							/* DURABLE_LEFTOVERS_H */
