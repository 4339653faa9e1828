// Requests to the service, and their errors.

import { authorization } from "./key.js";

const TIMEOUT_MS = 15_000;

/** Error response of the service, or no response (status 0). `problem` is the problem+json body, or {}. */
export class ApiError extends Error {
  constructor(status, problem = {}) {
    super(problem.detail || problem.title || `HTTP ${status}`);
    this.status = status;
    this.problem = problem;
  }
}

/** Callback that receives the index version named in each response. */
export const listener = { version: () => {} };

/**
 * Fetch JSON from `path`, by GET or, with a body, by POST.
 * @throws {ApiError} for an error response, or none
 * @throws {DOMException} AbortError if `signal` was aborted, because the response is no longer needed
 */
async function call(path, signal, question) {
  const posted = question && { method: "POST", body: JSON.stringify(question) };
  let response;
  let body;
  try {
    const limit = AbortSignal.timeout(TIMEOUT_MS);
    response = await fetch(path, {
      ...posted,
      headers: {
        accept: "application/json",
        ...(posted && { "content-type": "application/json" }),
        ...authorization(),
      },
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
    body = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0);
  }
  const answer = parsed(body);
  if (typeof answer?.version === "string") listener.version(answer.version);
  if (!response.ok || answer === undefined) throw new ApiError(response.ok ? 502 : response.status, answer);
  return answer;
}

export const get = (path, signal) => call(path, signal);

/**
 * Fetch `path` as a file.
 * @throws {ApiError} for an error response, or none
 */
export async function file(path) {
  let response;
  try {
    response = await fetch(path, { headers: authorization() });
    if (response.ok) return await response.blob();
  } catch {
    throw new ApiError(0);
  }
  throw new ApiError(response.status, parsed(await response.text()));
}

function parsed(body) {
  try {
    const value = JSON.parse(body);
    return value !== null && typeof value === "object" ? value : undefined;
  } catch {
    return undefined;
  }
}

const id = encodeURIComponent;

export const find = (text, limit, signal) => get(`v1/artists?q=${id(text)}&limit=${limit}`, signal);
export const resolve = (name, signal) => get(`v1/artists:resolve?name=${id(name)}`, signal);
export const artist = (key, signal) => get(`v1/artists/${id(key)}`, signal);
export const similar = (key, k, explain, signal) =>
  get(`v1/artists/${id(key)}/similar?k=${k}${explain ? "&explain=true" : ""}`, signal);
export const similarTo = (question, signal) => call("v1/similar", signal, question);
export const index = (signal) => get("v1/index", signal);

/** Build a query string such as `?a=1&b=2` from the values that are set. */
const query = (values) => {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
};

export const evaluations = (values, signal) => get(`v1/evaluations${query(values)}`, signal);
export const evaluation = (key, signal) => get(`v1/evaluations/${id(key)}`, signal);
export const queries = (key, values, signal) => get(`v1/evaluations/${id(key)}/artists${query(values)}`, signal);
export const compared = (values, signal) => get(`v1/evaluations/compare${query(values)}`, signal);
