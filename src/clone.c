/*-------------------------------------------------------------------------
 *
 * clone.c
 *	  Earlier texts of workflow functions, as functions of their own.
 *
 *	  1. When the function of a workflow is not, or no longer, the text that a
 *	  run began with, the run goes on with a clone: a function in schema durable,
 *	  named after the original with "$v" and the version's number, made from the
 *	  text in durable.version when the first turn needs it.
 *
 *	  2. The text is that of pg_get_functiondef(), made under settings and a
 *	  search path that never differ.  All of it but the name is used as it is.
 *
 *	  3. A clone belongs to the owner of the extension, so that nobody changes it
 *	  by ALTER FUNCTION: the first who ran a text under a name need not be who
 *	  has it there now.  Only that of a SECURITY DEFINER function belongs to the
 *	  owner of the original, so that this means what it meant.  Nobody else may
 *	  execute it but the roles whose runs began with it.
 *
 *	  4. A clone is no member of the extension, so a dump has it; but it goes
 *	  with the extension.  Should it get lost, it is made again.
 *
 *	  5. Who makes, grants or drops a clone holds an advisory lock to the end of
 *	  its transaction; the others find it made then.
 *
 *	  6. Making one is analyzing the function owner's text as the owner of the
 *	  extension, and that may call functions: '{1}'::d[] as a parameter's default
 *	  is read at once, and a check of the domain d is anybody's code.  So a hook
 *	  refuses all functions then but those that are harmless to whoever calls
 *	  them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_proc.h"
#include "clone.h"
#include "commands/alter.h"
#include "commands/defrem.h"
#include "compat.h"
#include "extension.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/parsenodes.h"
#include "parser/parse_node.h"
#include "parser/parser.h"
#include "settings.h"
#include "storage/lock.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

/* As an advisory lock of a class that SQL's functions do not use */
#define CLONE_LOCK_CLASS	5
#define CLONE_LOCK_KEY		0x64757262	/* "durb" */

#define SCHEMA_NAME		"durable"

/* What this session knows of a clone; it is looked at again at each use */
typedef struct KnownClone
{
	char		key[4 * NAMEDATALEN + 32];	/* version and function */
	Oid			oid;
	char		name[NAMEDATALEN];
} KnownClone;

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
			 errdetail("An earlier version of a workflow function is made, and a domain in its parameters' defaults, or in its body, calls that function."),
			 errhint("Move the runs to another version by wf_migrate().")));
}

void
durable_clone_init(void)
{
	prev_object_access_hook = object_access_hook;
	object_access_hook = refuse_functions;
}

/*
 * The text of a function, the same in all sessions
 */
char *
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

static KnownClone *
known_clone(const char *function, int32 version, HASHACTION action)
{
	char		key[4 * NAMEDATALEN + 32];
	bool		found;
	KnownClone *clone;

	if (!known)
	{
		HASHCTL		ctl = {.keysize = sizeof(key), .entrysize = sizeof(KnownClone)};

		known = hash_create("durable clones", 64, &ctl, HASH_ELEM | HASH_STRINGS);
	}
	snprintf(key, sizeof(key), "%d %s", version, function);
	clone = hash_search(known, key, action, &found);
	if (clone && !found)
		clone->oid = InvalidOid;
	return clone;
}

/*
 * The clone of a version, if this session knows it and `role' may execute it;
 * its name lives until the next call
 */
Oid
clone_find(const char *function, int32 version, Oid role, const char **name)
{
	KnownClone *clone = known_clone(function, version, HASH_FIND);
	HeapTuple	tuple;
	bool		valid;

	if (!clone || !OidIsValid(clone->oid))
		return InvalidOid;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(clone->oid));
	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	valid = ((Form_pg_proc) GETSTRUCT(tuple))->pronamespace == durable_schema() &&
		strcmp(NameStr(((Form_pg_proc) GETSTRUCT(tuple))->proname), clone->name) == 0;
	ReleaseSysCache(tuple);
	if (!valid || function_aclcheck(clone->oid, role) != ACLCHECK_OK)
		return InvalidOid;
	*name = clone->name;
	return clone->oid;
}

/*
 * The function of that name in our schema, InvalidOid where there is none
 */
static Oid
existing_clone(const char *name)
{
	FuncCandidateList found = FuncnameGetCandidates(list_make2(makeString(SCHEMA_NAME), makeString(pstrdup(name))),
													-1, NIL, false, false, false, true);

	return found && !found->next ? found->oid : InvalidOid;
}

static void
lock_clones(void)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, CLONE_LOCK_KEY, 0, CLONE_LOCK_CLASS);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
	AcceptInvalidationMessages();
}

/*
 * Read an identifier as quote_identifier() writes it, and step over it
 */
static char *
read_identifier(const char **text)
{
	StringInfoData name;
	const char *p = *text;
	bool		quoted = *p == '"';

	initStringInfo(&name);
	p += quoted;
	while (*p)
	{
		if (quoted && *p == '"' && *++p != '"')
			break;
		if (!quoted && (*p == '.' || *p == '('))
			break;
		appendStringInfoChar(&name, *p++);
	}
	*text = p;
	return name.data;
}

/*
 * Split a definition: returns what comes after the name, which is that of the
 * function without its schema
 */
static const char *
split_definition(const char *definition, char **name)
{
	static const char head[] = "CREATE OR REPLACE FUNCTION ";
	const char *p = definition;

	if (strncmp(p, head, strlen(head)) == 0)
	{
		p += strlen(head);
		(void) read_identifier(&p);
		if (*p++ == '.')
		{
			*name = read_identifier(&p);
			if (*p == '(')
				return p;
		}
	}
	elog(ERROR, "definition of a function not understood: %.100s", definition);
}

/*
 * A free name for the clone
 */
static char *
choose_name(const char *original, int32 version)
{
	for (int i = 1;; i++)
	{
		char	   *suffix = i == 1 ? psprintf("$v%d", version) : psprintf("$v%d$%d", version, i);
		int			room = NAMEDATALEN - 1 - (int) strlen(suffix);
		char	   *name = psprintf("%.*s%s", pg_mbcliplen(original, strlen(original), room), original, suffix);

		if (!version_clone_taken(name) && !OidIsValid(existing_clone(name)))
			return name;
	}
}

static RoleSpec *
role_spec(Oid role)
{
	RoleSpec   *spec = makeNode(RoleSpec);

	spec->roletype = ROLESPEC_CSTRING;
	spec->rolename = GetUserNameFromId(role, false);
	spec->location = -1;
	return spec;
}

static ObjectWithArgs *
function_spec(const char *name)
{
	ObjectWithArgs *spec = makeNode(ObjectWithArgs);

	spec->objname = list_make2(makeString(SCHEMA_NAME), makeString(pstrdup(name)));
	spec->args_unspecified = true;
	return spec;
}

/*
 * Grant EXECUTE to a role, or revoke it from PUBLIC (InvalidOid)
 */
static void
change_acl(const char *name, Oid role)
{
	GrantStmt  *stmt = makeNode(GrantStmt);
	RoleSpec   *public = makeNode(RoleSpec);

	public->roletype = ROLESPEC_PUBLIC;
	public->location = -1;
	stmt->is_grant = OidIsValid(role);
	stmt->targtype = ACL_TARGET_OBJECT;
	stmt->objtype = OBJECT_FUNCTION;
	stmt->objects = list_make1(function_spec(name));
	stmt->grantees = list_make1(OidIsValid(role) ? role_spec(role) : public);
	stmt->behavior = DROP_RESTRICT;
	ExecuteGrantStmt(stmt);
	CommandCounterIncrement();
}

static void
set_owner(const char *name, Oid owner)
{
	AlterOwnerStmt *stmt = makeNode(AlterOwnerStmt);

	stmt->objectType = OBJECT_FUNCTION;
	stmt->object = (Node *) function_spec(name);
	stmt->newowner = role_spec(owner);
	(void) ExecAlterOwnerStmt(stmt);
	CommandCounterIncrement();
}

/*
 * CREATE FUNCTION, of a text of which only the name is ours.  Event triggers do
 * not see it: what they call would be refused.
 */
static void
create_function(const char *statement)
{
	ParseState *pstate = make_parsestate(NULL);
	RawStmt    *raw = linitial_node(RawStmt, raw_parser(statement, RAW_PARSE_DEFAULT));

	pstate->p_sourcetext = statement;
	analyzing = true;
	PG_TRY();
	{
		(void) CreateFunction(pstate, castNode(CreateFunctionStmt, raw->stmt));
	}
	PG_FINALLY();
	{
		analyzing = false;
	}
	PG_END_TRY();
	free_parsestate(pstate);
	CommandCounterIncrement();
}

static bool
is_definer(Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	bool		result;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	result = ((Form_pg_proc) GETSTRUCT(tuple))->prosecdef;
	ReleaseSysCache(tuple);
	return result;
}

/*
 * Give the clone of a SECURITY DEFINER function to the owner of the original
 */
static void
give_to_definer(const char *function, int32 version, const CodeVersion *code, Oid clone, const char *name)
{
	if (!is_definer(clone))
		return;
	if (!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(code->owner)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the role that owned version %d of workflow function %s does not exist", version, function),
				 errhint("Move the runs to another version by wf_migrate().")));
	set_owner(name, code->owner);
}

static Oid
create_clone(const char *function, int32 version, const CodeVersion *code)
{
	char	   *original;
	const char *rest = split_definition(code->definition, &original);
	char	   *name = code->clone ? code->clone : choose_name(original, version);
	ObjectAddress address;
	ObjectAddress extension;
	char	   *statement = psprintf("CREATE FUNCTION %s%s", quote_qualified_identifier(SCHEMA_NAME, name), rest);

	(void) set_config_option("check_function_bodies", "off", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, ERROR, false);
	create_function(statement);
	ObjectAddressSet(address, ProcedureRelationId, existing_clone(name));
	ObjectAddressSet(extension, ExtensionRelationId, durable_extension_oid());
	recordDependencyOn(&address, &extension, DEPENDENCY_AUTO_EXTENSION);
	change_acl(name, InvalidOid);
	give_to_definer(function, version, code, address.objectId, name);
	version_set_clone(function, version, name);
	return address.objectId;
}

static void
read_version(const char *function, int32 version, CodeVersion *code)
{
	if (!version_read(function, version, CurrentMemoryContext, code))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("workflow function %s has no version %d", function, version)));
}

static Oid
make_clone(const char *function, int32 version, Oid role)
{
	CodeVersion code;
	Oid			clone;

	read_version(function, version, &code);
	clone = code.clone ? existing_clone(code.clone) : InvalidOid;
	if (!OidIsValid(clone) || function_aclcheck(clone, role) != ACLCHECK_OK)
	{
		lock_clones();
		read_version(function, version, &code);
		clone = code.clone ? existing_clone(code.clone) : InvalidOid;
		if (!OidIsValid(clone))
			clone = create_clone(function, version, &code);
		if (function_aclcheck(clone, role) != ACLCHECK_OK)
			change_acl(get_func_name(clone), role);
	}
	return clone;
}

/*
 * The clone of a version, to be executed by `role'; made where there is none.
 * An error leaves settings behind that only the (sub)transaction's end undoes.
 */
Oid
clone_make(const char *function, int32 version, Oid role)
{
	int			nestlevel = settings_push_implied();
	StoreScope	scope;
	KnownClone *clone;
	Oid			oid;

	store_begin(&scope);
	oid = make_clone(function, version, role);
	clone = known_clone(function, version, HASH_ENTER);
	clone->oid = oid;
	strlcpy(clone->name, get_func_name(oid), NAMEDATALEN);
	store_end(&scope);
	AtEOXact_GUC(false, nestlevel);
	return oid;
}

/*
 * Drop the clones that no open run needs; returns how many
 */
int
clone_drop_idle(void)
{
	StoreScope	scope;
	CloneName  *clones;
	int			n;

	store_begin(&scope);
	lock_clones();
	n = version_idle_clones(CurrentMemoryContext, &clones);
	for (int i = 0; i < n; i++)
	{
		Oid			oid = existing_clone(clones[i].clone);
		ObjectAddress address;

		version_set_clone(clones[i].function, clones[i].version, NULL);
		if (!OidIsValid(oid))
			continue;
		ObjectAddressSet(address, ProcedureRelationId, oid);
		performDeletion(&address, DROP_RESTRICT, 0);
	}
	store_end(&scope);
	return n;
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
	char	   *schema = read_identifier(&function);
	const char *name = *function == '.' ? function + 1 : function;
	List	   *path = fetch_search_path(false);
	Oid			namespace = get_namespace_oid(schema, true);
	char	   *bare;
	char	   *result;

	result = replace_all(context, quote_qualified_identifier(SCHEMA_NAME, clone),
						 list_member_oid(path, namespace) ? name : psprintf("%s.%s", quote_identifier(schema), name));
	/* some languages show the bare name, in quotes */
	bare = read_identifier(&name);
	return replace_all(result, psprintf("\"%s\"", clone), psprintf("\"%s\"", bare));
}
