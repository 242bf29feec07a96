/*-------------------------------------------------------------------------
 *
 * marker.c
 *	  Changes that workflow code asks about.
 *
 *	  1. Code that is to fit runs which began before a change asks which version
 *	  of it they have.  The first time a run asks, and is not replaying, it gets
 *	  the latest, which is recorded: a marker.  Where it is replaying and there
 *	  is no marker, it went by before the change was made: version -1.
 *
 *	  2. Markers are found by name, not by position, so a call may be added or
 *	  removed anywhere.  What a pass was told once it is told again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/extension.h"
#include "base/json.h"
#include "command/command.h"
#include "command/marker.h"
#include "store/history.h"
#include "turn/leave.h"
#include "turn/replay.h"
#include "turn/turn.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

static void
refuse(const text *change, const char *problem, const char *hint)
{
	turn_refuse(ERRCODE_WF_NONDETERMINISM,
				psprintf("change %s: %s", quote_literal_cstr(text_to_cstring(change)), problem), hint);
}

/*
 * The version of a change that this run has
 */
int32
command_version(Turn *turn, const text *change, int32 min, int32 max)
{
	Marker	   *marker = turn_marker(turn, change);

	if (!marker && turn_replaying(turn))
		marker = turn_add_marker(turn, change, BEFORE_CHANGE, -1);
	if (!marker)
	{
		JsonBuilder b;

		command_check_limits(turn);
		json_begin(&b);
		json_add_int(&b, "version", max);
		(void) turn_record(turn, EVENT_MARKER_RECORDED, 0, change, json_end(&b));
		marker = turn_marker(turn, change);
	}
	marker->seen = true;
	if (marker->version < min && marker->event < 0)
		refuse(change, psprintf("the run went by here before the change was made, but the code supports versions %d to %d only", min, max),
			   "Let wf_version() accept -1 and do what was done before the change, while such runs are open.");
	if (marker->version < min || marker->version > max)
		refuse(change, psprintf("the run has version %d, but the code supports versions %d to %d", marker->version, min, max),
			   "Keep the code of versions that open runs have.");
	return marker->version;
}

/*
 * The changes this pass has asked about, as an object
 */
Jsonb *
markers_seen(Turn *turn)
{
	JsonBuilder b;

	json_begin(&b);
	for (int i = 0; i < turn->history.nmarkers; i++)
		if (turn->history.markers[i].seen)
			json_add_int(&b, text_to_cstring(turn->history.markers[i].change), turn->history.markers[i].version);
	return json_end(&b);
}

static int32
version_in(const Event *event, const char *key)
{
	JsonbValue *value = json_find(event->attributes, key);

	return value && value->type == jbvNumeric ?
		DatumGetInt32(DirectFunctionCall1(numeric_int4, NumericGetDatum(value->val.numeric))) : 0;
}

/*
 * The version of the code, as of the horizon: it may have been moved later
 */
int32
version_seen(Turn *turn)
{
	int32		version = 0;

	for (int i = 0; i < turn->history.nevents; i++)
	{
		if (turn->history.events[i].type != EVENT_OPTIONS_UPDATED)
			continue;
		if (i >= turn->pass.horizon)
			return version ? version : version_in(&turn->history.events[i], "from");
		version = version_in(&turn->history.events[i], "version");
	}
	return version ? version : turn->execution->version;
}
