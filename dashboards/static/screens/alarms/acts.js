// What people do to alarms, always as one request with honest counts, and undone within ten seconds where that is possible.
import { post } from "../../api.js";
import { plural } from "../../format.js";
import { acting, toast, toastProblem } from "../../ui.js";

const DONE = { acknowledge: "acknowledged", unacknowledge: "given back", shelve: "shelved", unshelve: "unshelved", comment: "commented", clear: "cleared" };
const UNDO = { acknowledge: "unacknowledge", unacknowledge: "acknowledge", shelve: "unshelve" };

/** @param {{ids: string[]}|{filter: string}} whom */
export const act = (action, whom, given = {}) => acting(answered(action, whom, given));

async function answered(action, whom, given) {
  try {
    const answer = await post("/api/v1/alarms/actions", { action, ...whom, ...given });
    const failed = answer.failed?.length ? `, ${answer.failed.length} not: ${answer.failed[0].reason}` : "";
    const ids = whom.ids || answer.ids;
    const undo = UNDO[action] && ids?.length && answer.succeeded ? ["Undo", () => act(UNDO[action], { ids })] : null;
    toast(`${answer.succeeded} of ${plural(answer.matched, "alarm")} ${DONE[action]}${failed}`, { kind: failed ? "problem" : "done", act: undo });
    return true;
  } catch (error) {
    toastProblem(error);
    return false;
  }
}

export const SHELVE_FOR = [["15 min", 15], ["1 h", 60], ["4 h", 240], ["1 day", 1440]];

/** The end of a shelf that starts now, as the API wants it. */
export const until = (minutes, now = Date.now()) => new Date(now + minutes * 60_000).toISOString();
