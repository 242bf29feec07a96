/*-------------------------------------------------------------------------
 *
 * planning.c
 *	  What the planner is told of the engine's own statements.
 *
 *	  1. A plan of theirs is to follow from the statement and the indexes alone.
 *	  Statistics cannot help: the tables are queues, and what ANALYZE saw is over
 *	  when the plan is used.  And they do harm: in a table that looks empty a walk
 *	  over a whole index costs one page, less than a descent for each of a batch's
 *	  rows.  Under a snapshot that somebody holds, that page is a million dead
 *	  entries, which each execution walks until the next ANALYZE.
 *
 *	  2. So, while a statement is pinned, each table and index has the same large
 *	  size, and of no column is anything known but that its values differ: a
 *	  condition with = finds about one row.  Then the plan whose index has most of
 *	  the conditions as keys is the cheapest by far.
 *
 *	  3. Plans that read a whole table or index, and would be good for few rows,
 *	  are off besides; the ones wanted are on, whatever the session has set.
 *
 *	  store.c pins around each execution, since any of them may have to plan
 *	  anew: ANALYZE, too, invalidates a kept plan.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "jit/jit.h"
#include "optimizer/cost.h"
#include "optimizer/plancat.h"
#include "store/planning.h"
#include "utils/selfuncs.h"

#define ASSUMED_ROWS			1000000
#define ASSUMED_TABLE_PAGES		50000
#define ASSUMED_INDEX_PAGES		5000
#define ASSUMED_TREE_HEIGHT		2

typedef struct Switch
{
	bool	   *variable;
	bool		value;
} Switch;

static const Switch switches[] = {
	{&enable_seqscan, false},
	{&enable_bitmapscan, false},
	{&enable_hashjoin, false},
	{&enable_mergejoin, false},
	{&enable_material, false},
	{&enable_memoize, false},
	{&jit_enabled, false},
	{&enable_indexscan, true},
	{&enable_indexonlyscan, true},
	{&enable_tidscan, true},
	{&enable_nestloop, true},
	{&enable_sort, true},
};

StaticAssertDecl(lengthof(switches) == PLANNER_SWITCHES, "PlannerPin has room for all switches");

static bool pinned = false;
static get_relation_info_hook_type prev_relation_info = NULL;
static get_relation_stats_hook_type prev_relation_stats = NULL;

static void
assume_size(PlannerInfo *root, Oid relid, bool inhparent, RelOptInfo *rel)
{
	ListCell   *cell;

	if (prev_relation_info)
		prev_relation_info(root, relid, inhparent, rel);
	if (!pinned)
		return;
	rel->pages = ASSUMED_TABLE_PAGES;
	rel->tuples = ASSUMED_ROWS;
	rel->allvisfrac = 0;
	foreach(cell, rel->indexlist)
	{
		IndexOptInfo *index = lfirst_node(IndexOptInfo, cell);

		index->pages = ASSUMED_INDEX_PAGES;
		index->tuples = ASSUMED_ROWS;
		index->tree_height = ASSUMED_TREE_HEIGHT;
	}
}

static bool
assume_unique(PlannerInfo *root, RangeTblEntry *rte, AttrNumber column, VariableStatData *data)
{
	if (pinned && rte->rtekind == RTE_RELATION)
	{
		data->statsTuple = NULL;
		data->isunique = true;
		return true;
	}
	return prev_relation_stats && prev_relation_stats(root, rte, column, data);
}

/*
 * Between these two the planner's choices are ours.  The variables are set
 * directly: as settings they would cost more than the statement.  After an
 * error, too, planner_unpin() must be called.
 */
void
planner_pin(PlannerPin *pin)
{
	for (int i = 0; i < lengthof(switches); i++)
	{
		pin->saved[i] = *switches[i].variable;
		*switches[i].variable = switches[i].value;
	}
	pin->saved_pinned = pinned;
	pinned = true;
}

/*
 * The session's own settings of the planner count again
 */
void
planner_unpin(const PlannerPin *pin)
{
	for (int i = 0; i < lengthof(switches); i++)
		*switches[i].variable = pin->saved[i];
	pinned = pin->saved_pinned;
}

/*
 * Have a say in how our own statements are planned
 */
void
durable_planning_init(void)
{
	prev_relation_info = get_relation_info_hook;
	get_relation_info_hook = assume_size;
	prev_relation_stats = get_relation_stats_hook;
	get_relation_stats_hook = assume_unique;
}
