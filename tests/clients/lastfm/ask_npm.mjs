// Asks a service of Last.fm's protocol by a client from npm, and prints what the client read, as JSON.
//
// Arguments: the client, the folder with node_modules, the host, the port, and the names.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [client, folder, host, port, ...names] = process.argv.slice(2);
const LIMIT = 20;
const UNKNOWN = "no such artist at all";
const TAG = "ska";

/** Return functions by method, each of which asks and returns the parsed answer, or throws. */
async function methods() {
  const require = createRequire(`${folder}/`);
  if (client === "lastfm") {
    const { LastFmNode } = require("lastfm");
    const lastfm = new LastFmNode({ api_key: "k", secret: "s", host, port: Number(port) });
    return (method, params) =>
      new Promise((success, error) => lastfm.request(method, { ...params, handlers: { success, error } }));
  }
  if (client === "lastfm-ts-api") {
    const { LastFMArtist, LastFMTag } = await import(pathToFileURL(require.resolve("lastfm-ts-api")));
    const config = { hostname: host, path: "/2.0" };
    const by = {
      artist: new LastFMArtist("k", undefined, undefined, config),
      tag: new LastFMTag("k", undefined, undefined, config),
    };
    return (method, params) => {
      const [of, name] = method.split(".");
      return by[of][name](params);
    };
  }
  const LastFm = require("lastfm-node-client");
  const lastfm = new LastFm("k");
  return (method, params) => lastfm[method.replace(/\.(.)/, (_, letter) => letter.toUpperCase())](params);
}

const ask = await methods();

async function answers(artist) {
  const similar = (await ask("artist.getSimilar", { artist, limit: LIMIT })).similarartists.artist;
  const search = (await ask("artist.search", { artist, limit: LIMIT })).results;
  const info = (await ask("artist.getInfo", { artist })).artist;
  const correction = (await ask("artist.getCorrection", { artist })).corrections.correction;
  return {
    similar: similar.map((each) => each.name),
    matches: similar.map((each) => Number(each.match)),
    search: search.artistmatches.artist.map((each) => each.name),
    total: Number(search["opensearch:totalResults"]),
    tags: (await ask("artist.getTopTags", { artist })).toptags.tag.map((tag) => [tag.name, tag.count]),
    listeners: Number(info.stats.listeners),
    plays: Number(info.stats.playcount),
    mbid: info.mbid || null,
    bio: info.bio.content || null,
    correction: correction.artist.name,
  };
}

const found = { names: {} };
for (const name of names) found.names[name] = await answers(name);
try {
  await ask("artist.getSimilar", { artist: UNKNOWN });
} catch (error) {
  found.unknown = [6, error.message];
}
const top = (await ask("tag.getTopArtists", { tag: TAG, limit: LIMIT })).topartists.artist;
found["top artists"] = top.map((each) => each.name);
process.stdout.write(JSON.stringify(found));
