// Bindings of Navidrome's host service HTTP, and of the error of a call, which the kit declares but does not export.

import { Memory } from "@extism/as-pdk";
import { error_set, length } from "@extism/as-pdk/lib/env";
import { decode, encode } from "./base64";
import { Kind, parse, quote } from "./json";

@external("extism:host/user", "http_send")
declare function http_send(request: u64): u64;

/** The response to an HTTP request; with status 0, the body is the reason why there is none. */
export class Response {
  constructor(
    public status: i32,
    public body: string,
  ) {}
}

/** Send a JSON body by POST, with a bearer token unless it is empty. */
export function post(url: string, token: string, body: string, timeoutMs: i32): Response {
  let headers = '{"Content-Type":"application/json"';
  if (token != "") headers += ',"Authorization":' + quote("Bearer " + token);
  const request =
    '{"request":{"method":"POST","url":' + quote(url) + ',"headers":' + headers + '},"body":"' + encode(body) +
    '","timeoutMs":' + timeoutMs.toString() + "}}";
  const offset = http_send(Memory.allocateString(request).offset);
  const answer = parse(new Memory(offset, length(offset)).toString());
  const result = answer.field("result");
  if (result.kind != Kind.Object) return new Response(0, answer.textOf("error"));
  return new Response(i32(result.integerOf("statusCode")), decode(result.textOf("body")));
}

/** Set the error of this call; its function must then return 1. */
export function setError(message: string): void {
  error_set(Memory.allocateString(message).offset);
}
