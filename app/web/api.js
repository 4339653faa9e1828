// Questions to the service, and what can go wrong with them.

import { authorization } from "./key.js";

const TIMEOUT_MS = 15_000;

/** The service refused, or could not be reached (status 0). `problem` is its problem+json body, or {}. */
export class ApiError extends Error {
  constructor(status, problem = {}) {
    super(problem.detail || problem.title || `HTTP ${status}`);
    this.status = status;
    this.problem = problem;
  }
}

/** Called with the index version that each answer names. */
export const listener = { version: () => {} };

/**
 * The JSON that `path` answers, to GET or, with a body, to POST.
 * @throws {ApiError} for any answer but a good one
 * @throws {DOMException} AbortError where `signal` was aborted: the answer is no longer wanted
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
 * What lies at `path`, as a file.
 * @throws {ApiError} for any answer but a good one
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

export const find = (text, limit, signal) => get(`/v1/artists?q=${id(text)}&limit=${limit}`, signal);
export const resolve = (name, signal) => get(`/v1/artists:resolve?name=${id(name)}`, signal);
export const artist = (key, signal) => get(`/v1/artists/${id(key)}`, signal);
export const similar = (key, k, explain, signal) =>
  get(`/v1/artists/${id(key)}/similar?k=${k}${explain ? "&explain=true" : ""}`, signal);
export const similarTo = (question, signal) => call("/v1/similar", signal, question);
export const index = (signal) => get("/v1/index", signal);

/** `?a=1&b=2` of what is neither empty nor left out. */
const query = (values) => {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
};

export const evaluations = (values, signal) => get(`/v1/evaluations${query(values)}`, signal);
export const evaluation = (key, signal) => get(`/v1/evaluations/${id(key)}`, signal);
export const queries = (key, values, signal) => get(`/v1/evaluations/${id(key)}/artists${query(values)}`, signal);
export const compared = (values, signal) => get(`/v1/evaluations/compare${query(values)}`, signal);
