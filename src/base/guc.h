/*-------------------------------------------------------------------------
 *
 * guc.h
 *	  The settings durable.*, as doc/reference.md lists them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_GUC_H
#define DURABLE_GUC_H

#define MAX_ID_LENGTH	1000	/* bytes of an id or a namespace, as in Temporal */

extern bool durable_enabled;
extern int	durable_max_workers;
extern int	durable_max_activity_workers;
extern int	durable_workers_per_role;
extern int	durable_worker_idle_timeout;	/* ms */
extern int	durable_batch_size;
extern int	durable_batch_time; /* ms */
extern int	durable_turn_timeout;	/* ms */
extern int	durable_step_timeout;	/* ms */
extern int	durable_max_history_events;
extern int	durable_max_history_size;	/* kB */
extern int	durable_max_payload_size;	/* kB */
extern int	durable_max_search_attributes_size; /* kB */
extern int	durable_max_turn_commands;
extern int	durable_max_turn_retry_delay;	/* ms */
extern int	durable_max_lost_tries;
extern int	durable_tell_attempts;
extern int	durable_tell_unpolled;	/* s */
extern int	durable_patrol_interval;	/* ms */
extern int	durable_suggest_continue_events;
extern int	durable_suggest_continue_size;	/* kB */
extern int	durable_default_start_to_close; /* s */
extern char *durable_namespace;
extern int	durable_clock_offset;	/* s */

extern void durable_guc_init(void);

#endif							/* DURABLE_GUC_H */
