// The public API as the console uses it: JSON in and out, problems as errors, nothing unbounded.
import { boot } from "./boot.js";

const TIMEOUT_MS = 20_000;

export class ApiError extends Error {
  /** @param {{status: number, title: string, detail?: string, request_id?: string, needs?: string}} problem */
  constructor(problem) {
    super(problem.detail || problem.title);
    this.problem = problem;
  }
}

/** `/api/v1/x?a=1&b=2` from a path and its query; empty values are left out. */
export function target(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

/** The page's own copy of an answer, once; undefined when it brought none. */
export function firstAnswer(path) {
  const answer = boot.first[path];
  delete boot.first[path];
  return answer;
}

export async function get(path) {
  const brought = firstAnswer(path);
  return brought === undefined ? call("GET", path) : brought;
}

export const send = (method, path, body) => call(method, path, body);
export const post = (path, body) => call("POST", path, body);
export const remove = (path) => call("DELETE", path);

async function call(method, path, body) {
  const headers = { Accept: "application/json" };
  if (method !== "GET") headers["X-CSRF-Token"] = boot.csrf;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await reach(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (response.status === 401) signInAgain();
  if (!response.ok) throw new ApiError(await problemOf(response));
  return response.status === 204 ? null : response.json();
}

async function reach(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    const detail = error.name === "TimeoutError" ? "The station did not answer in time." : "The station cannot be reached; the page tries again by itself.";
    throw new ApiError({ status: 0, title: "No answer", detail });
  }
}

async function problemOf(response) {
  try {
    return await response.json();
  } catch {
    return { status: response.status, title: response.statusText || "Error", request_id: response.headers.get("X-Request-Id") };
  }
}

export function signInAgain() {
  location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
}
