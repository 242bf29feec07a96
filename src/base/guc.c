/*-------------------------------------------------------------------------
 *
 * guc.c
 *	  The settings durable.*, as doc/reference.md lists them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "base/guc.h"
#include "utils/guc.h"

bool		durable_enabled;
int			durable_max_workers;
int			durable_max_activity_workers;
int			durable_workers_per_role;
int			durable_worker_idle_timeout;
int			durable_batch_size;
int			durable_batch_time;
int			durable_turn_timeout;
int			durable_step_timeout;
int			durable_max_history_events;
int			durable_max_history_size;
int			durable_max_payload_size;
int			durable_max_search_attributes_size;
int			durable_max_turn_commands;
int			durable_max_turn_retry_delay;
int			durable_max_lost_tries;
int			durable_tell_attempts;
int			durable_tell_unpolled;
int			durable_patrol_interval;
int			durable_suggest_continue_events;
int			durable_suggest_continue_size;
int			durable_default_start_to_close;
char	   *durable_namespace;
int			durable_clock_offset;

/* As the argument `namespace' of every call: an id */
static bool
check_namespace(char **newval, void **extra, GucSource source)
{
	if (**newval != '\0' && strlen(*newval) <= MAX_ID_LENGTH)
		return true;
	GUC_check_errdetail("A namespace has 1 to %d bytes.", MAX_ID_LENGTH);
	return false;
}

static void
define_int(const char *name, const char *desc, const char *detail, int *var,
		   int boot, int min, int max, GucContext context, int flags)
{
	DefineCustomIntVariable(name, desc, detail, var, boot, min, max, context,
							flags, NULL, NULL, NULL);
}

/*
 * How the engine runs: for the administrator.
 */
static void
define_engine_settings(void)
{
	DefineCustomBoolVariable("durable.enabled",
							 "Whether anything is run in this server.",
							 "Off: no process starts, and CALL wf_work(), CALL wf_execute(), polls and updates are refused; starts and signals are kept. For a physical copy, before it is started beside the original.",
							 &durable_enabled, true, PGC_SIGHUP, 0, NULL, NULL, NULL);
	define_int("durable.max_workers",
			   "Workers in the cluster that run workflows at the same time.",
			   "Zero starts none: workflows then run by CALL wf_work() only. Each worker also counts against max_worker_processes.",
			   &durable_max_workers, 4, 0, 1024, PGC_SIGHUP, 0);
	define_int("durable.max_activity_workers",
			   "Workers in the cluster that run queued activities at the same time.",
			   "Each runs one slow activity or a batch of quick ones. Each also counts against max_worker_processes.",
			   &durable_max_activity_workers, 4, 0, 1024, PGC_SIGHUP, 0);
	define_int("durable.workers_per_role",
			   "Workers of each kind that a role keeps while other roles wait for one.",
			   "As long as nobody waits it may have all of them. Zero: half of durable.max_workers, or of durable.max_activity_workers.",
			   &durable_workers_per_role, 0, 0, 1024, PGC_SUSET, 0);
	define_int("durable.worker_idle_timeout",
			   "Time after which an idle worker leaves.", NULL,
			   &durable_worker_idle_timeout, 60000, 10, INT_MAX, PGC_SIGHUP, GUC_UNIT_MS);
	define_int("durable.batch_size",
			   "Runs a worker takes into one transaction at most.", NULL,
			   &durable_batch_size, 50, 1, 1000, PGC_SIGHUP, 0);
	define_int("durable.batch_time",
			   "Time after which a worker commits the batch it has.", NULL,
			   &durable_batch_time, 10, 0, 60000, PGC_SIGHUP, GUC_UNIT_MS);
	define_int("durable.turn_timeout",
			   "Time workflow code may run without reaching a wait.",
			   "Steps do not count. The turn fails and is tried again, and the run shows in wf_stuck.",
			   &durable_turn_timeout, 10000, 100, INT_MAX, PGC_SUSET, GUC_UNIT_MS);
	define_int("durable.step_timeout",
			   "Time an inline step may take.",
			   "A step holds its worker, and its locks, until it is done. Code may ask for less by start_to_close, not for more. Zero: no limit.",
			   &durable_step_timeout, 60000, 0, INT_MAX, PGC_SUSET, GUC_UNIT_MS);
	define_int("durable.max_turn_retry_delay",
			   "Longest delay between two tries of a turn that fails.", NULL,
			   &durable_max_turn_retry_delay, 60000, 1000, INT_MAX, PGC_SUSET, GUC_UNIT_MS);
	define_int("durable.max_lost_tries",
			   "Tries of a turn in a row that may take their process down.",
			   "Then the run is paused, until wf_unpause().",
			   &durable_max_lost_tries, 3, 1, 1000, PGC_SIGHUP, 0);
	define_int("durable.tell_attempts",
			   "Attempts of an activity after which the log and wf_stuck tell of it.", NULL,
			   &durable_tell_attempts, 10, 5, 1000000, PGC_SIGHUP, 0);
	define_int("durable.tell_unpolled",
			   "Time that tasks of external workers wait without a poll after which wf_stuck tells of it.", NULL,
			   &durable_tell_unpolled, 300, 1, INT_MAX / 1000, PGC_SIGHUP, GUC_UNIT_S);
	define_int("durable.patrol_interval",
			   "Time after which the patrol looks for work that nobody has in hand.",
			   "It rests where nothing has happened since, and nothing waits. Zero: it never looks.",
			   &durable_patrol_interval, 60000, 0, INT_MAX, PGC_SIGHUP, GUC_UNIT_MS);
}

/*
 * Limits, each told by a WF011 error that names it.
 */
static void
define_limits(void)
{
	define_int("durable.max_history_events",
			   "Events in the history of one run at most.", NULL,
			   &durable_max_history_events, 51200, 10, INT_MAX, PGC_SUSET, 0);
	define_int("durable.max_history_size",
			   "Size of the history of one run at most, large payloads not counted.", NULL,
			   &durable_max_history_size, 50 * 1024, 16, INT_MAX, PGC_SUSET, GUC_UNIT_KB);
	define_int("durable.max_payload_size",
			   "Size of one input, result, signal or published value at most.", NULL,
			   &durable_max_payload_size, 200 * 1024, 1, 255 * 1024, PGC_SUSET, GUC_UNIT_KB);
	define_int("durable.max_search_attributes_size",
			   "Size of the search attributes of one run that its code may set at most.", NULL,
			   &durable_max_search_attributes_size, 40, 1, 1024, PGC_SUSET, GUC_UNIT_KB);
	define_int("durable.max_turn_commands",
			   "Commands one turn of a workflow may give at most.", NULL,
			   &durable_max_turn_commands, 20000, 1, 1000000, PGC_SUSET, 0);
	define_int("durable.suggest_continue_events",
			   "Events in the history of a run from which on wf_info() suggests wf_continue_as_new().", NULL,
			   &durable_suggest_continue_events, 4096, 1, INT_MAX, PGC_SUSET, 0);
	define_int("durable.suggest_continue_size",
			   "Size of the history of a run from which on wf_info() suggests wf_continue_as_new().", NULL,
			   &durable_suggest_continue_size, 4096, 1, INT_MAX, PGC_SUSET, GUC_UNIT_KB);
}

/*
 * Define the settings
 */
void
durable_guc_init(void)
{
	define_engine_settings();
	define_limits();
	define_int("durable.default_start_to_close",
			   "start_to_close of activities of external workers that are given no timeout.",
			   "After this a worker that died is noticed. Zero: never.",
			   &durable_default_start_to_close, 3600, 0, INT_MAX, PGC_USERSET, GUC_UNIT_S);
	DefineCustomStringVariable("durable.namespace",
							   "Namespace of calls that name none.", NULL,
							   &durable_namespace, "default", PGC_USERSET, 0,
							   check_namespace, NULL, NULL);
	define_int("durable.clock_offset",
			   "Seconds this session's clock of workflows is ahead.",
			   "For tests, with CALL wf_work(): a timer of a week fires without waiting for a week.",
			   &durable_clock_offset, 0, 0, INT_MAX, PGC_SUSET, GUC_UNIT_S);
	MarkGUCPrefixReserved("durable");
}
