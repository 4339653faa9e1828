// Navidrome plugin of the capability MetadataAgent: similar artists from a RIYL service.

import { Config, Host, Memory } from "@extism/as-pdk";
import { Response, post, setError } from "./host";
import { Json, parse, quote } from "./json";

const TIMEOUT_MS = 5000;
const MAX_K: i64 = 1000; // maximum k of POST /v1/similar

/** Return the artists similar to one: {id, name, mbid?, limit} -> {artists: [{name, mbid?}]}. */
export function nd_get_similar_artists(): i32 {
  const artist = parse(Host.inputString());
  const k = min(artist.integerOf("limit"), MAX_K);
  const mbid = artist.textOf("mbid");
  const name = artist.textOf("name");
  if (k < 1 || (mbid == "" && name == "")) return answer("");

  let response = new Response(404, "");
  if (mbid != "") response = similarTo("mbid", mbid, k);
  if (response.status == 404 && name != "") response = similarTo("name", name, k);
  if (response.status == 409) {
    const id = bestKnown(parse(response.body).field("candidates").items);
    if (id != "") response = similarTo("id", id, k);
  }

  if (response.status == 200) return answer(listed(parse(response.body).field("similar").items));
  if (isUnresolved(response)) return answer("");
  const failure = response.status == 0 ? response.body : "status " + response.status.toString() + " " + response.body;
  setError("RIYL at " + address() + ": " + failure);
  return 1;
}

/** Abort a call with a message; the compiler calls it where an assertion fails. */
export function fail(message: string | null, file: string | null, line: u32, column: u32): void {
  setError(message === null ? "aborted" : message);
  unreachable();
}

function address(): string {
  const url = Config.get("url");
  let address: string = url === null ? "" : url;
  while (address.endsWith("/")) address = address.slice(0, -1);
  return address;
}

function similarTo(kind: string, value: string, k: i64): Response {
  const key = Config.get("key");
  const body = '{"seeds":[{"' + kind + '":' + quote(value) + '}],"k":' + k.toString() + "}";
  return post(address() + "/v1/similar", key === null ? "" : key, body, TIMEOUT_MS);
}

/** Return whether the service does not know the artist (404), or cannot tell or describe it (409). */
function isUnresolved(response: Response): bool {
  return response.status == 404 || response.status == 409;
}

/** Return the id of the candidate with the most listeners; empty where there is none. */
function bestKnown(candidates: Json[]): string {
  let id = "";
  let most: i64 = -1;
  for (let i = 0; i < candidates.length; i++) {
    const listeners = candidates[i].integerOf("listeners");
    if (listeners > most) {
      most = listeners;
      id = candidates[i].textOf("id");
    }
  }
  return id;
}

/** Return similar artists as Navidrome reads them, as the inside of a JSON list. */
function listed(similar: Json[]): string {
  const entries: string[] = [];
  for (let i = 0; i < similar.length; i++) {
    const mbid = similar[i].textOf("mbid");
    entries.push('{"name":' + quote(similar[i].textOf("name")) + (mbid == "" ? "" : ',"mbid":' + quote(mbid)) + "}");
  }
  return entries.join(",");
}

function answer(artists: string): i32 {
  // not the kit's outputString: it counts UTF-16 units as bytes, and so cuts names
  Host.outputMemory(Memory.allocateString('{"artists":[' + artists + "]}"));
  return 0;
}
