/*-------------------------------------------------------------------------
 *
 * leftovers.c
 *	  What a step leaves in the session.
 *
 *	  A step finds a session as a new connection would, and its end is like the
 *	  end of that, though its process goes on, and its transaction often too.
 *	  Settings are undone by whoever calls it (a nesting level of them).  For the
 *	  rest there is a proof that nothing is left, which costs a few comparisons
 *	  (0.06 microseconds a step, and 0.25 a transaction for the locks):
 *
 *	  1. Temporary objects: the server sets a flag in a transaction that touches
 *	  any, for the sake of PREPARE TRANSACTION.  Where it is set, what is in the
 *	  session's temporary schema is dropped when the step ends, in its own
 *	  subtransaction; so ON COMMIT needs no thought.  (A table with deferred
 *	  triggers pending cannot be dropped: such a step wants to be alone.)
 *
 *	  2. Cursors: portals are children of one memory context, the newest first.
 *	  Where the first is another than before, the new ones are closed.
 *
 *	  3. Prepared statements: PREPARE is a utility statement, and a hook notes
 *	  the name.
 *
 *	  4. SET CONSTRAINTS holds for the transaction and cannot be taken back.  The
 *	  hook notes it, and the step wants to be alone.
 *
 *	  5. Sequences, large objects, the seed of random(): their state is thrown
 *	  away; that costs nothing where there is none.  setseed() shows in a hook.
 *
 *	  6. Session-level advisory locks have a file of their own (held_locks.c).
 *
 *	  A session that is a client's (wf_work, wf_execute) has a state of its own
 *	  that steps must neither see nor lose.  There, names are looked for among its
 *	  temporary objects last (settings.c), a step that uses temporary objects while
 *	  the session has some is refused, before it commits anything, prepared statements are those that the step
 *	  made, locks that were held before are kept.  currval() and lastval() are the
 *	  session's.  A test (testmode.c) is the session's own, and sees it all.
 *
 *	  LISTEN and UNLISTEN, DISCARD, DEALLOCATE ALL and CLOSE ALL would be about the session
 *	  only, and are refused.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "base/compat.h"
#include "base/temp_objects.h"
#include "base/testmode.h"
#include "call/leftovers.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "commands/prepare.h"
#include "commands/sequence.h"
#include "commands/trigger.h"
#include "common/pg_prng.h"
#include "libpq/be-fsstubs.h"
#include "nodes/parsenodes.h"
#include "tcop/pquery.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"

static ProcessUtility_hook_type prev_utility_hook = NULL;
static object_access_hook_type prev_object_access_hook = NULL;

/* Has PL/pgSQL tell of the cursors it opens: the fence, which is above us */
void		(*watch_plpgsql_hook) (void) = NULL;

/* The step under way, and what it did */
static bool active = false;
static int	level = 0;			/* nesting level of its transaction */
static ObjectAddress *own = NULL;	/* temporary objects of the session itself */
static int	nown = 0;
static int	touched_before = 0;	/* the server's flag */
static bool created = false;	/* what may be in the temporary schema without it */
static MemoryContext first_portal = NULL;
static List *prepared = NIL;	/* names, in memory of `names' */
static MemoryContext names = NULL;
static bool set_constraints = false;
static bool want_alone = false;
static const char *refused = NULL;	/* why it cannot be run in this session */

static const char uses_temp[] = "it uses temporary objects, and the session has some of its own";

/* In this transaction */
static bool seeded = false;

static bool
is_own(const ObjectAddress *object)
{
	for (int i = 0; i < nown; i++)
		if (own[i].classId == object->classId && own[i].objectId == object->objectId)
			return true;
	return false;
}

/*
 * Drop what is in the temporary schema and not the session's own.  False where
 * that is not possible yet.
 */
static bool
drop_temp(void)
{
	ObjectAddresses *doomed = new_object_addresses();
	ObjectAddress *objects;
	int			n;

	CommandCounterIncrement();
	n = temp_objects(&objects);
	for (int i = 0; i < n; i++)
	{
		if (is_own(&objects[i]))
			continue;
		if (objects[i].classId == RelationRelationId && AfterTriggerPendingOnRel(objects[i].objectId))
			return false;
		add_exact_object_address(&objects[i], doomed);
	}
	/* a step of PL/pgSQL has left none; DROP, which may meet TOAST, needs one */
	PushActiveSnapshot(GetTransactionSnapshot());
	performMultipleDeletions(doomed, DROP_CASCADE,
							 PERFORM_DELETION_INTERNAL | PERFORM_DELETION_QUIETLY | PERFORM_DELETION_SKIP_EXTENSIONS);
	PopActiveSnapshot();
	free_object_addresses(doomed);
	CommandCounterIncrement();
	return true;
}

/*
 * SET CONSTRAINTS ALL IMMEDIATE
 */
void
check_constraints(void)
{
	ConstraintsSetStmt *stmt = makeNode(ConstraintsSetStmt);

	stmt->constraints = NIL;
	stmt->deferred = false;
	AfterTriggerSetState(stmt);
}

/*
 * What committed transactions of a procedure that failed left
 */
void
leftovers_drop_temp(void)
{
	(void) drop_temp();
	nown = 0;
}

/*
 * The memory of all portals
 */
static MemoryContext
portals(void)
{
	static MemoryContext result = NULL;

	if (!result && ActivePortal)
		result = MemoryContextGetParent(ActivePortal->portalContext);
	if (!result)
	{
		Portal		portal = CreateNewPortal();

		result = MemoryContextGetParent(portal->portalContext);
		portal->status = PORTAL_DONE;
		PortalDrop(portal, false);
	}
	return result;
}

static void
close_cursors(void)
{
	MemoryContext context = portals()->firstchild;

	while (context && context != first_portal)
	{
		MemoryContext next = context->nextchild;
		Portal		portal = context->ident ? GetPortalByName(context->ident) : NULL;

		if (PortalIsValid(portal) && portal->portalContext == context && !portal->portalPinned &&
			portal->status >= PORTAL_READY && portal->status != PORTAL_ACTIVE)
			PortalDrop(portal, false);
		context = next;
	}
}

static void
forget_prepared(void)
{
	ListCell   *cell;

	if (prepared == NIL)
		return;
	foreach(cell, prepared)
		DropPreparedStatement(lfirst(cell), false);
	prepared = NIL;
	MemoryContextReset(names);
}

static void
reset_seed(void)
{
	if (seeded)
		(void) DirectFunctionCall1(setseed, Float8GetDatum(2 * pg_prng_double(&pg_global_prng_state) - 1));
}

/*
 * A step begins.  The current memory context lives longer than it.
 */
void
leftovers_begin(void)
{
	/* the engine draws numbers, too */
	if (in_background_worker())
		ResetSequenceCaches();
	else
		watch_plpgsql_hook();
	first_portal = portals()->firstchild;
	nown = in_background_worker() ? 0 : temp_objects(&own);
	created = set_constraints = want_alone = false;
	refused = NULL;
	touched_before = MyXactFlags & XACT_FLAGS_ACCESSEDTEMPNAMESPACE;
	MyXactFlags &= ~XACT_FLAGS_ACCESSEDTEMPNAMESPACE;
	level = GetCurrentTransactionNestLevel();
	active = true;
}

static bool
touched_temp(void)
{
	return (MyXactFlags & XACT_FLAGS_ACCESSEDTEMPNAMESPACE) != 0;
}

/*
 * Is a step under way?
 */
bool
leftovers_active(void)
{
	return active;
}

/*
 * The last step failed because its transaction was not its own
 */
bool
leftovers_want_alone(void)
{
	return want_alone;
}

/*
 * The last step cannot be run in this session: let the turn fail, and others
 * try
 */
void
leftovers_check_refused(void)
{
	if (refused)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("a step cannot be run in this session: %s", refused),
				 errhint("Leave it to a worker or to another session.")));
}

static void
ask_to_be_alone(void)
{
	want_alone = true;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("a step needs a transaction of its own")));
}

/*
 * The step has done its work: undo what is left of it but its rows.  Errors are
 * for leftovers_abort().
 */
void
leftovers_end(LeftoverScope scope)
{
	close_cursors();
	forget_prepared();
	if (set_constraints && scope == LEFT_SHARED && !test_mode)
		ask_to_be_alone();
	if (touched_temp() && nown > 0 && !test_mode)
	{
		refused = uses_temp;
		leftovers_check_refused();
	}
	if ((touched_temp() || created || scope == LEFT_COMMITTED) && !drop_temp())
	{
		if (scope == LEFT_SHARED && !test_mode)
			ask_to_be_alone();
		check_constraints();
		(void) drop_temp();
	}
	if (scope == LEFT_SHARED)
		AtEOSubXact_LargeObject(false, GetCurrentSubTransactionId(), InvalidSubTransactionId);
	reset_seed();
	MyXactFlags |= touched_before;
	nown = 0;
	active = false;
}

/*
 * The step has failed, and its transaction is rolled back
 */
void
leftovers_abort(void)
{
	if (!active)
		return;
	active = false;
	if (touched_temp() && nown > 0 && !test_mode)
		refused = uses_temp;
	close_cursors();
	forget_prepared();
	reset_seed();
	MyXactFlags |= touched_before;
}

/*
 * The same, where its subtransaction is.  That may also have been one within
 * the step, which then goes on.
 */
void
leftovers_abort_sub(void)
{
	if (GetCurrentTransactionNestLevel() < level)
		leftovers_abort();
}

/*
 * A procedure that commits must not have changed the session's own temporary
 * objects by then
 */
static void
leftovers_xact(XactEvent event, void *arg)
{
	if (!active && (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT))
		seeded = false;
	if (event == XACT_EVENT_PRE_COMMIT && active && touched_temp() && nown > 0 && !test_mode)
	{
		refused = uses_temp;
		leftovers_check_refused();
	}
}

static void
refuse_statement(Node *stmt)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("%s is not allowed in an activity", GetCommandTagName(CreateCommandTag(stmt))),
			 errdetail("It is about the session, which is not the activity's own.")));
}

static bool
is_prepared(const char *name)
{
	ListCell   *cell;

	foreach(cell, prepared)
		if (strcmp(lfirst(cell), name) == 0)
			return true;
	return false;
}

/*
 * A name that means nothing to a new connection
 */
static void
check_prepared(const char *name)
{
	if (!is_prepared(name) && FetchPreparedStatement(name, false))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_PSTATEMENT),
				 errmsg("prepared statement \"%s\" does not exist", name)));
}

/*
 * The same for cursors
 */
void
leftovers_check_cursor(const char *name)
{
	Portal		portal = GetPortalByName(name);

	if (!PortalIsValid(portal))
		return;
	for (MemoryContext c = portals()->firstchild; c && c != first_portal; c = c->nextchild)
		if (c == portal->portalContext)
			return;
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_CURSOR),
			 errmsg("cursor \"%s\" does not exist", name)));
}

static void
note_prepared(const char *name)
{
	MemoryContext old;

	if (!names)
		names = AllocSetContextCreate(TopMemoryContext, "durable prepared statements", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(names);
	prepared = lappend(prepared, pstrdup(name));
	MemoryContextSwitchTo(old);
}

/*
 * Before a statement of a step
 */
static void
look_at(Node *stmt)
{
	switch (nodeTag(stmt))
	{
		case T_ListenStmt:
		case T_UnlistenStmt:
		case T_DiscardStmt:
			refuse_statement(stmt);
			break;
		case T_DeallocateStmt:
			if (!castNode(DeallocateStmt, stmt)->name)
				refuse_statement(stmt);
			check_prepared(castNode(DeallocateStmt, stmt)->name);
			break;
		case T_PrepareStmt:
			if (!is_prepared(castNode(PrepareStmt, stmt)->name) &&
				FetchPreparedStatement(castNode(PrepareStmt, stmt)->name, false))
				refused = "it prepares a statement of a name that the session has prepared";
			break;
		case T_ExecuteStmt:
			check_prepared(castNode(ExecuteStmt, stmt)->name);
			break;
		case T_ClosePortalStmt:
			if (!castNode(ClosePortalStmt, stmt)->portalname)
				refuse_statement(stmt);
			leftovers_check_cursor(castNode(ClosePortalStmt, stmt)->portalname);
			break;
		case T_FetchStmt:
			leftovers_check_cursor(castNode(FetchStmt, stmt)->portalname);
			break;
		case T_ConstraintsSetStmt:
			set_constraints = true;
			break;
		case T_VariableSetStmt:
			seeded |= castNode(VariableSetStmt, stmt)->name && pg_strcasecmp(castNode(VariableSetStmt, stmt)->name, "seed") == 0;
			break;
		default:
			break;
	}
}

/*
 * After it
 */
static void
note(Node *stmt)
{
	const char *gone;

	if (IsA(stmt, PrepareStmt))
		note_prepared(castNode(PrepareStmt, stmt)->name);
	if (!IsA(stmt, DeallocateStmt))
		return;
	gone = castNode(DeallocateStmt, stmt)->name;
	for (int i = list_length(prepared) - 1; i >= 0; i--)
		if (strcmp(list_nth(prepared, i), gone) == 0)
			prepared = list_delete_nth_cell(prepared, i);
}

static void
leftovers_utility(PlannedStmt *pstmt, const char *query, bool read_only_tree,
				  ProcessUtilityContext context, ParamListInfo params,
				  QueryEnvironment *env, DestReceiver *dest, QueryCompletion *qc)
{
	Node	   *stmt = pstmt->utilityStmt;

	if (active)
		look_at(stmt);
	if (prev_utility_hook)
		prev_utility_hook(pstmt, query, read_only_tree, context, params, env, dest, qc);
	else
		standard_ProcessUtility(pstmt, query, read_only_tree, context, params, env, dest, qc);
	if (active)
		note(stmt);
}

static void
leftovers_object_access(ObjectAccessType access, Oid classid, Oid objectid, int subid, void *arg)
{
	if (prev_object_access_hook)
		prev_object_access_hook(access, classid, objectid, subid, arg);
	if (!active)
		return;
	/* by way of set_config(), too */
	if (access == OAT_FUNCTION_EXECUTE && (objectid == F_SETSEED || objectid == F_SET_CONFIG))
		seeded = true;
	/* in pg_temp_3 by that name it would not show */
	if (access == OAT_POST_CREATE && classid != RelationRelationId && OidIsValid(temp_schema()))
		created = true;
}

/*
 * Be told of what steps do to the session
 */
void
durable_leftovers_init(void)
{
	prev_utility_hook = ProcessUtility_hook;
	ProcessUtility_hook = leftovers_utility;
	prev_object_access_hook = object_access_hook;
	object_access_hook = leftovers_object_access;
	RegisterXactCallback(leftovers_xact, NULL);
}
