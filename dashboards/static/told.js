// An act on the station that says how it went.
import { toast, toastProblem } from "./ui.js";

/** Wait for an answer and say what it means; whether it went well. `says` makes the toast's text of the answer, or gives text and options. */
export async function told(doing, says) {
  try {
    const said = says(await doing);
    toast(...(Array.isArray(said) ? said : [said]));
    return true;
  } catch (error) {
    toastProblem(error);
    return false;
  }
}
