/*-------------------------------------------------------------------------
 *
 * clone.c
 *	  Earlier texts of workflow functions, as functions of their own.
 *
 *	  1. When the function of a workflow is not, or no longer, the text that a
 *	  run began with, the run goes on with a clone: a function in schema durable,
 *	  named after the original with "$v", the version's number, and one of its own.
 *	  It is made of the text in durable.version when the first turn needs it.
 *
 *	  2. The text is that of pg_get_functiondef(), made under settings and a
 *	  search path that never differ.  It is parsed, and what differs is changed in
 *	  the tree.
 *
 *	  3. A clone has no rights.  It belongs to the owner of the extension, so that
 *	  nobody changes, renames or copies it; nobody may execute it: the engine does,
 *	  without asking (callable_call_clone); and it is never SECURITY DEFINER.  As
 *	  whom it runs, and whether it may, is decided at each turn, by what the
 *	  original is then (pinning.c).
 *
 *	  4. A clone is no member of the extension, so a dump has it; but it goes
 *	  with the extension.  Should it get lost, or be other than in 3, another is
 *	  made.
 *
 *	  5. Nobody waits for a clone.  Who finds none that is committed makes one,
 *	  under a name that nobody else has; so there may be several, which are all the
 *	  same, and wf_maintain() leaves one.  A lock or a name in common would have
 *	  one role's open transaction stop the workers of others.
 *
 *	  6. Making one is analyzing the function owner's text as the owner of the
 *	  extension, and that may call functions: '{1}'::d[] as a parameter's default
 *	  is read at once, and a check of the domain d is anybody's code.  So literals
 *	  become ('{1}'::text)::d[], which is read when it is evaluated, by who runs the
 *	  function.  Should that leave anything, a hook refuses to call it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "access/xact.h"
#include "base/compat.h"
#include "base/extension.h"
#include "base/settings.h"
#include "call/clone.h"
#include "call/guarded.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "commands/defrem.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "parser/parse_node.h"
#include "parser/parser.h"
#include "shared/stopevent.h"
#include "storage/proc.h"
#include "store/store.h"
#include "store/version.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#define SCHEMA_NAME		"durable"

/* Milliseconds to wait for what is in the way of dropping one */
#define DROP_LOCK_TIMEOUT	500

static HTAB *known = NULL;

static object_access_hook_type prev_object_access_hook = NULL;
static bool analyzing = false;	/* somebody's text, as another role */

static void
refuse_functions(ObjectAccessType access, Oid classid, Oid objectid, int subid, void *arg)
{
	if (prev_object_access_hook)
		prev_object_access_hook(access, classid, objectid, subid, arg);
	if (access != OAT_FUNCTION_EXECUTE || !analyzing)
		return;
	if (objectid < FirstUnpinnedObjectId && func_volatile(objectid) == PROVOLATILE_IMMUTABLE)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("function %s cannot be called here", get_func_name(objectid)),
			 errdetail("An earlier version of a workflow function is made."),
			 errhint("Move the runs to another version by wf_migrate().")));
}

/*
 * While a clone is made, no function of its text is called (refuse_functions)
 */
void
durable_clone_init(void)
{
	prev_object_access_hook = object_access_hook;
	object_access_hook = refuse_functions;
}

/*
 * The text of a function, the same in all sessions
 */
static char *
function_definition(Oid function)
{
	int			nestlevel = settings_push_implied();
	StoreScope	scope;
	MemoryContext context = CurrentMemoryContext;
	char	   *result;

	store_begin(&scope);
	result = MemoryContextStrdup(context, TextDatumGetCString(OidFunctionCall1(F_PG_GET_FUNCTIONDEF,
																			   ObjectIdGetDatum(function))));
	store_end(&scope);
	AtEOXact_GUC(false, nestlevel);
	return result;
}

static bool
language_is_untrusted(Oid language)
{
	HeapTuple	tuple = SearchSysCache1(LANGOID, ObjectIdGetDatum(language));
	bool		result;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for language %u", language);
	result = !((Form_pg_language) GETSTRUCT(tuple))->lanpltrusted;
	ReleaseSysCache(tuple);
	return result;
}

/*
 * Whose a function is, and what rights it has of its own.  Returns which row of
 * pg_proc tells.
 */
static ItemPointerData
read_rights(Oid function, CodeVersion *code, TransactionId *xmin)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc proc;
	ItemPointerData result;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function with OID %u does not exist", function)));
	proc = (Form_pg_proc) GETSTRUCT(tuple);
	code->owner = proc->proowner;
	code->definer = proc->prosecdef;
	code->untrusted = language_is_untrusted(proc->prolang);
	result = tuple->t_self;
	*xmin = HeapTupleHeaderGetRawXmin(tuple->t_data);
	ReleaseSysCache(tuple);
	return result;
}

/*
 * Owner and rights of a function as it is now, into *code
 */
void
function_rights(Oid function, CodeVersion *code)
{
	TransactionId xmin;

	(void) read_rights(function, code, &xmin);
}

/*
 * Text, owner and rights of a function, all of one moment: a text of one owner
 * must not be taken for that of the next
 */
void
function_code(Oid function, CodeVersion *code)
{
	CodeVersion again;
	ItemPointerData before;
	ItemPointerData after;
	TransactionId xmin_before;
	TransactionId xmin_after;

	do
	{
		CHECK_FOR_INTERRUPTS();
		before = read_rights(function, code, &xmin_before);
		code->definition = function_definition(function);
		after = read_rights(function, &again, &xmin_after);
	} while (!ItemPointerEquals(&before, &after) || xmin_before != xmin_after);
}

static Clone *
known_clone(const char *function, int32 version, HASHACTION action)
{
	char		key[CLONE_KEY_LEN];
	bool		found;
	Clone	   *clone;

	if (!known)
	{
		HASHCTL		ctl = {.keysize = sizeof(key), .entrysize = sizeof(Clone)};

		known = hash_create("durable clones", 64, &ctl, HASH_ELEM | HASH_STRINGS);
	}
	snprintf(key, sizeof(key), "%d %s", version, function);
	clone = hash_search(known, key, action, &found);
	if (clone && !found)
		clone->oid = InvalidOid;
	return clone;
}

/*
 * Is the function what the essay says of clones?
 */
static bool
is_clone(Oid function, const char *name)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc proc;
	bool		result;

	if (!HeapTupleIsValid(tuple))
		return false;
	proc = (Form_pg_proc) GETSTRUCT(tuple);
	result = proc->pronamespace == durable_schema() && strcmp(NameStr(proc->proname), name) == 0 &&
		proc->proowner == durable_owner() && !proc->prosecdef;
	ReleaseSysCache(tuple);
	return result && function_aclcheck(function, ACL_ID_PUBLIC) != ACLCHECK_OK;
}

/*
 * The clone of a version, NULL where this session knows none; it lives until the
 * next call
 */
const Clone *
clone_find(const char *function, int32 version)
{
	Clone	   *clone = known_clone(function, version, HASH_FIND);

	return clone && OidIsValid(clone->oid) && is_clone(clone->oid, clone->name) ? clone : NULL;
}

/*
 * The function of that name in our schema, InvalidOid where there is none
 */
static Oid
function_of_name(const char *name)
{
	FuncCandidateList found = FuncnameGetCandidates(list_make2(makeString(SCHEMA_NAME), makeString(pstrdup(name))),
													-1, NIL, false, false, false, true);

	return found && !found->next ? found->oid : InvalidOid;
}

/*
 * A name for a clone that no other has
 */
static char *
choose_name(const char *original, int32 version)
{
	char	   *suffix = psprintf("$v%d$" INT64_FORMAT, version, version_next_clone());
	int			room = NAMEDATALEN - 1 - (int) strlen(suffix);

	return psprintf("%.*s%s", pg_mbcliplen(original, strlen(original), room), original, suffix);
}

/*
 * Who may execute a function by its ACL, besides its owner
 */
static List *
grantees_of(Oid function, Oid owner)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	bool		isnull;
	Datum		datum = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_proacl, &isnull);
	Acl		   *acl = isnull ? acldefault(OBJECT_FUNCTION, owner) : DatumGetAclPCopy(datum);
	List	   *result = NIL;

	for (int i = 0; i < ACL_NUM(acl); i++)
	{
		Oid			grantee = ACL_DAT(acl)[i].ai_grantee;
		RoleSpec   *spec;

		if (grantee == owner)
			continue;
		spec = makeNode(RoleSpec);
		spec->roletype = grantee == ACL_ID_PUBLIC ? ROLESPEC_PUBLIC : ROLESPEC_CSTRING;
		spec->rolename = grantee == ACL_ID_PUBLIC ? NULL : GetUserNameFromId(grantee, false);
		spec->location = -1;
		result = lappend(result, spec);
	}
	ReleaseSysCache(tuple);
	return result;
}

/*
 * Take from everybody what default privileges gave on a new clone
 */
static void
revoke_all(Oid clone, List *name)
{
	GrantStmt  *stmt = makeNode(GrantStmt);
	ObjectWithArgs *object = makeNode(ObjectWithArgs);

	object->objname = name;
	object->args_unspecified = true;
	stmt->targtype = ACL_TARGET_OBJECT;
	stmt->objtype = OBJECT_FUNCTION;
	stmt->objects = list_make1(object);
	stmt->grantees = grantees_of(clone, GetUserId());
	stmt->behavior = DROP_RESTRICT;
	if (stmt->grantees == NIL)
		return;
	ExecuteGrantStmt(stmt);
	CommandCounterIncrement();
}

/*
 * Have literals that are cast read when they are evaluated, not at analysis
 */
static bool
defer_literals(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, TypeCast) && IsA(((TypeCast *) node)->arg, A_Const))
	{
		TypeCast   *cast = (TypeCast *) node;
		A_Const    *literal = (A_Const *) cast->arg;
		TypeCast   *as_text;

		if (literal->isnull || !IsA(&literal->val, String))
			return false;
		as_text = makeNode(TypeCast);
		as_text->arg = cast->arg;
		as_text->typeName = SystemTypeName("text");
		as_text->location = -1;
		cast->arg = (Node *) as_text;
		return false;
	}
	return raw_expression_tree_walker(node, defer_literals, context);
}

/*
 * The statement that makes the clone of a text: as it was, but for its name, and
 * for what would give it rights
 */
static CreateFunctionStmt *
clone_statement(const char *definition, int32 version)
{
	RawStmt    *raw = linitial_node(RawStmt, raw_parser(definition, RAW_PARSE_DEFAULT));
	CreateFunctionStmt *stmt = castNode(CreateFunctionStmt, raw->stmt);
	ListCell   *cell;

	stmt->replace = false;
	stmt->funcname = list_make2(makeString(SCHEMA_NAME),
								makeString(choose_name(strVal(llast(stmt->funcname)), version)));
	foreach(cell, stmt->options)
	{
		const char *option = lfirst_node(DefElem, cell)->defname;

		if (strcmp(option, "security") == 0 || strcmp(option, "leakproof") == 0 || strcmp(option, "support") == 0)
			stmt->options = foreach_delete_current(stmt->options, cell);
	}
	foreach(cell, stmt->parameters)
		(void) defer_literals(lfirst_node(FunctionParameter, cell)->defexpr, NULL);
	(void) defer_literals(stmt->sql_body, NULL);
	return stmt;
}

/*
 * CREATE FUNCTION.  Event triggers do not see it: what they call would be
 * refused.
 */
static Oid
create_function(CreateFunctionStmt *stmt, const char *text)
{
	ParseState *pstate = make_parsestate(NULL);
	volatile Oid result = InvalidOid;

	(void) set_config_option("check_function_bodies", "off", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, ERROR, false);
	pstate->p_sourcetext = text;
	analyzing = true;
	PG_TRY();
	{
		result = CreateFunction(pstate, stmt).objectId;
	}
	PG_FINALLY();
	{
		analyzing = false;
	}
	PG_END_TRY();
	free_parsestate(pstate);
	CommandCounterIncrement();
	return result;
}

static Oid
create_clone(const char *function, int32 version, const CodeVersion *code)
{
	CreateFunctionStmt *stmt = clone_statement(code->definition, version);
	CloneName	name = {.function = pstrdup(function), .version = version, .clone = strVal(llast(stmt->funcname))};
	Oid			clone = create_function(stmt, code->definition);
	ObjectAddress address;
	ObjectAddress extension;

	STOP_EVENT(clone_created);
	ObjectAddressSet(address, ProcedureRelationId, clone);
	ObjectAddressSet(extension, ExtensionRelationId, durable_extension_oid());
	recordDependencyOn(&address, &extension, DEPENDENCY_AUTO_EXTENSION);
	revoke_all(clone, stmt->funcname);
	version_add_clone(&name);
	STOP_EVENT(clone_noted);
	return clone;
}

static Oid
existing_clone(const char *function, int32 version)
{
	CloneName  *clones;
	int			n = version_clones(function, version, CurrentMemoryContext, &clones);

	for (int i = 0; i < n; i++)
	{
		Oid			oid = function_of_name(clones[i].clone);

		if (OidIsValid(oid) && is_clone(oid, clones[i].clone))
			return oid;
	}
	return InvalidOid;
}

/*
 * The clone of a version, made where there is none.  An error leaves settings
 * behind that only the (sub)transaction's end undoes.
 */
const Clone *
clone_make(const char *function, int32 version)
{
	int			nestlevel = settings_push_implied();
	StoreScope	scope;
	CodeVersion code;
	Clone	   *clone;
	Oid			oid;

	store_begin(&scope);
	if (!version_read(function, version, CurrentMemoryContext, &code))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("workflow function %s has no version %d", function, version)));
	oid = existing_clone(function, version);
	if (!OidIsValid(oid))
		oid = create_clone(function, version, &code);
	clone = known_clone(function, version, HASH_ENTER);
	clone->oid = oid;
	strlcpy(clone->name, get_func_name(oid), NAMEDATALEN);
	clone->owner = code.owner;
	clone->definer = code.definer;
	clone->untrusted = code.untrusted;
	store_end(&scope);
	AtEOXact_GUC(false, nestlevel);
	return clone;
}

/*
 * Drop a clone.  What somebody had depend on it goes as well.
 */
static Jsonb *
drop_clone(void *arg)
{
	const char *name = arg;
	StoreScope	scope;
	ObjectAddress address;
	Oid			oid;

	LockTimeout = DROP_LOCK_TIMEOUT;
	store_begin(&scope);
	version_forget_clone(name);
	STOP_EVENT(clone_dropping);
	oid = function_of_name(name);
	if (OidIsValid(oid))
	{
		ObjectAddressSet(address, ProcedureRelationId, oid);
		performDeletion(&address, DROP_CASCADE, 0);
	}
	store_end(&scope);
	return NULL;
}

/*
 * Drop the clones that no open run needs, and of others all but the one that is
 * used; what somebody holds on to is left for the next time
 */
void
clone_drop_idle(void)
{
	StoreScope	scope;
	MemoryContext context = CurrentMemoryContext;
	const CloneName *kept = NULL;
	CloneName  *clones;
	int			n;

	store_begin(&scope);
	n = version_all_clones(context, &clones);
	for (int i = 0; i < n; i++)
	{
		Oid			oid = function_of_name(clones[i].clone);
		bool		is_kept = kept && kept->version == clones[i].version && strcmp(kept->function, clones[i].function) == 0;

		clones[i].needed &= !is_kept && OidIsValid(oid) && is_clone(oid, clones[i].clone);
		kept = clones[i].needed ? &clones[i] : kept;
	}
	store_end(&scope);
	for (int i = 0; i < n; i++)
	{
		GuardedEnd	end;

		if (clones[i].needed)
			continue;
		guarded_call(drop_clone, clones[i].clone, context, &end);
		if (end.error && end.error->sqlerrcode == ERRCODE_QUERY_CANCELED)
			ReThrowError(end.error);
		if (end.error)
			ereport(WARNING,
					(errcode(end.error->sqlerrcode),
					 errmsg("could not drop clone \"%s\": %s", clones[i].clone, end.error->message)));
	}
}

/*
 * Put `by' where `what' is, all over a text
 */
static char *
replace_all(const char *text, const char *what, const char *by)
{
	StringInfoData result;
	const char *found;

	initStringInfo(&result);
	while ((found = strstr(text, what)) != NULL)
	{
		appendBinaryStringInfo(&result, text, found - text);
		appendStringInfoString(&result, by);
		text = found + strlen(what);
	}
	appendStringInfoString(&result, text);
	return result.data;
}

/*
 * The context of an error with the original's name in place of the clone's, as
 * it would be shown: without its schema if that is in the search path
 */
char *
clone_hide(const char *context, const char *clone, const char *function)
{
	List	   *path = fetch_search_path(false);
	List	   *names;
	char	   *schema;
	char	   *name;
	char	   *result;

	(void) SplitIdentifierString(pstrdup(function), '.', &names);
	schema = linitial(names);
	name = llast(names);
	result = replace_all(context, quote_qualified_identifier(SCHEMA_NAME, clone),
						 list_member_oid(path, get_namespace_oid(schema, true)) ? quote_identifier(name) :
						 quote_qualified_identifier(schema, name));
	/* some languages show the bare name, in quotes */
	return replace_all(result, psprintf("\"%s\"", clone), psprintf("\"%s\"", name));
}
