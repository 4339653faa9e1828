#!/usr/bin/env bash
# Builds the images, brings the services up as a user would, mistreats them, and takes them down again.
# usage: tests/deploy/compose.sh            needs a Docker engine, its compose (v2, or docker-compose 1.29), curl, python3
# COMPOSE_OVERRIDE: a further compose file, for what the engine at hand needs; put nothing there that the checks are about.
set -euo pipefail
cd "$(dirname "$0")/../.."

compose=(docker compose)
docker compose version >/dev/null 2>&1 || compose=(docker-compose)
work=$(mktemp -d)
listener=
project=riyl-test-$$
began=$SECONDS

# what a user's shell or .env may say has no part in this
export RIYL_SECRETS=$work/secrets RIYL_TABLES='' RIYL_REINDEX_CRON='' RIYL_LOG_LEVEL='' RIYL_KEEP_VERSIONS=''
unset RIYL_PUBLISH RIYL_REQUIRE_KEY RIYL_ALLOWED_HOSTS RIYL_IMPORT_ROOT
export RIYL_QUALITY_MIN_SHARE='' RIYL_QUALITY_MIN_TABLE_SHARE='' RIYL_QUALITY_MIN_RECALL='' RIYL_QUALITY_TRUTH='' RIYL_QUALITY_MAX_DROP=''
# from the demo's default to the paper's encoders half of each list changes (overlap@50 0.47): that is wanted here
export RIYL_QUALITY_MIN_OVERLAP=0.3
RIYL_PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])')
export RIYL_PORT
base=http://127.0.0.1:$RIYL_PORT

dc() { "${compose[@]}" -p "$project" -f docker-compose.yml ${COMPOSE_OVERRIDE:+-f "$COMPOSE_OVERRIDE"} "$@"; }
container() { dc ps -q -a "$1"; }
ok() { printf 'ok %4d s  %s\n' $((SECONDS - began)) "$1"; }
fail() { printf 'FAILED  %s\n' "$1" >&2; exit 1; }
same() { [ "$2" = "$3" ] || fail "$1: found '$2'; wanted '$3'"; }
# the value of a Python expression over d, the JSON on standard input
of() { python3 -c "import json, sys; d = json.load(sys.stdin); print($1)"; }
# the status of a request; its body and headers lie in $work
status() { curl -s --max-time 30 -o "$work/body" -D "$work/headers" -w '%{http_code}' "$@"; }
get() { curl -fsS --max-time 10 -H "Authorization: Bearer $key" "$base$1"; }
post() { status -X POST -H "Authorization: Bearer $key" -H 'Content-Type: application/json' -d "$2" "$base$1"; }

# until SECONDS WHAT COMMAND...: try again until the command succeeds
until_() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" 2>/dev/null; do
    [ $SECONDS -lt $end ] || fail "$what: not within the time"
    sleep 0.3
  done
}
health_is() { [ "$(docker inspect -f '{{.State.Health.Status}}' "$(container "$1")")" = "$2" ]; }
job_is() { [ "$(get "/v1/jobs/$1" | of 'd["state"]')" = "$2" ]; }
job_at() { [[ " $2 " == *" $(get "/v1/jobs/$1" | of 'd["progress"]["step"]') "* ]]; }
ended() {
  until_ "$2" "job $1" ended_now "$1"
  same "job $1, $(get "/v1/jobs/$1" | of 'd["error"]')" "$(get "/v1/jobs/$1" | of 'd["state"]')" done
}
ended_now() { [[ $(get "/v1/jobs/$1" | of 'd["state"]') =~ done|failed|cancelled ]]; }
# ask BODY: ask for a job, print its id
ask() {
  local found
  found=$(post /v1/jobs "$1")
  same "POST /v1/jobs $1, $(cat "$work/body")" "$found" 202
  of 'd["id"]' <"$work/body"
}
restarts() { docker inspect -f '{{.RestartCount}}' "$(container "$1")"; }

# queries one after the other until queries_end, which wants every one answered
queries_begin() {
  touch "$work/asking"
  : >"$work/codes"
  while [ -e "$work/asking" ]; do
    curl -s -o /dev/null --max-time 5 -w '%{http_code}\n' -H "Authorization: Bearer $key" "$base/v1/artists/$artist/similar?k=5" \
      -o /dev/null "$base/v1/artists?q=$artist" >>"$work/codes" || true
    sleep 0.02
  done &
  asking=$!
}
queries_end() {
  rm -f "$work/asking"
  wait "$asking"
  count=$(wc -l <"$work/codes")
  same "answers that were not 200 among $count queries" "$(grep -vxc 200 "$work/codes" || true)" 0
}

end() {
  local code=$?
  trap - EXIT
  rm -f "$work/asking"
  [ -z "$listener" ] || kill "$listener" 2>/dev/null || true
  if [ $code -ne 0 ]; then
    dc ps -a || true
    dc logs --tail 40 || true
  fi
  dc down -v --remove-orphans >"$work/down.log" 2>&1 || cat "$work/down.log"
  rm -rf "$work"
  exit $code
}
trap end EXIT
trap 'exit 1' INT TERM

# --- a clean machine
refusal=$(RIYL_SECRETS='' dc config 2>&1) && fail "without a password compose refuses: it did not"
[[ $refusal == *'there is no password for the database yet, make one with "make secrets"'* ]] ||
  fail "without a password compose says what to do: found '$refusal'"
ok "without a password compose refuses and says what to do"
(umask 077 && mkdir "$RIYL_SECRETS")
head -c 24 /dev/urandom | base64 >"$RIYL_SECRETS/postgres_password"
chmod 644 "$RIYL_SECRETS/postgres_password"

dc build >"$work/build.log" 2>&1 || { tail -50 "$work/build.log"; fail "images: not built"; }
ok "images built: $(docker image inspect -f '{{.RepoTags}} {{.Size}} bytes' riyl riyl-train | tr '\n' ' ')"

dc up -d >"$work/up.log" 2>&1 || { cat "$work/up.log"; fail "up: exit code"; }
until_ 60 "api healthy" health_is api healthy
until_ 90 "worker healthy" health_is worker healthy
first=$(curl -fsS "$base/readyz" | of 'd["version"]')
ok "up: the demo catalog is made and served, api and worker are healthy; version $first"

same "where the port is published" "$(docker port "$(container api)")" "8000/tcp -> 127.0.0.1:$RIYL_PORT"
same "GET /v1/index without a key" "$(status "$base/v1/index")" 401
key=$(dc exec -T api riyl --json keys create test --role admin | of 'd["token"]')
ok "reachable from this machine alone, and only with a key"

for limit in 'db 1073741824 0' 'seed 4294967296 0' 'api 2147483648 2000000000' 'worker 4294967296 1000000000' 'postgres 536870912 1000000000'; do
  read -r service memory cpus <<<"$limit"
  same "limits of $service" "$(docker inspect -f '{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}}' "$(container "$service")")" "$memory $cpus"
done
same "user of api" "$(dc exec -T api id -u)" 10001
docker inspect "$(container api)" "$(container worker)" "$(container postgres)" | grep -qF "$(cat "$RIYL_SECRETS/postgres_password")" &&
  fail "the password stands in what the engine tells of a container"
ok "limits are in force, the user is 10001, the engine tells nobody the password"

# --- what the containers are denied
for service in db seed api worker postgres; do
  limit=1024
  [ $service != postgres ] || limit=256
  same "confinement of $service" "$(docker inspect -f \
    '{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.CapAdd}} {{.HostConfig.SecurityOpt}} {{.HostConfig.PidsLimit}}' \
    "$(container $service)")" "true [ALL] [] [no-new-privileges:true] $limit"
done
for service in api worker postgres; do
  id=$(container $service)
  for folder in / /etc /usr/bin /var/lib /home; do
    # as root, to whom all of these belong
    refusal=$(docker exec -u 0 "$id" touch "$folder/written" 2>&1) && fail "$service writes to $folder: it could"
    [[ $refusal == *'Read-only file system'* ]] || fail "$service writes to $folder: found '$refusal'"
  done
  docker exec "$id" sh -c 'touch /tmp/written && rm /tmp/written' || fail "$service writes to /tmp: it could not"
  same "capabilities of $service" "$(docker exec "$id" sed -n 's/^\(Cap[A-Z][a-z]*\|NoNewPrivs\):\t0*/\1=/p' /proc/1/status | xargs)" \
    "CapInh= CapPrm= CapEff= CapBnd= CapAmb= NoNewPrivs=1"
  [ "$(docker exec "$id" id -u)" != 0 ] || fail "user of $service: found root"
done
ok "the file systems of api, worker and postgres cannot be written to, even by root; none has a capability or can gain one"

for limit in 'api 1024' 'worker 1024' 'postgres 256'; do
  read -r service pids <<<"$limit"
  same "pids limit in force of $service" "$(docker exec "$(container "$service")" sh -c \
    'cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max 2>/dev/null')" "$pids"
done
forks=$(docker exec "$(container postgres)" sh -c 'for i in $(seq 300); do sleep 3 & done' 2>&1) && fail "300 processes in postgres: they could be made"
[[ ${forks,,} == *fork* ]] || fail "300 processes in postgres: found '$forks'"
until_ 30 "postgres makes processes again" docker exec "$(container postgres)" pg_isready -q -h 127.0.0.1 -U riyl
ok "limits of processes are in force: 300 more in postgres cannot be made"

address() { docker inspect -f "{{with index .NetworkSettings.Networks \"${project}_$2\"}}{{.$3}}{{end}}" "$(container "$1")"; }
# whether a PostgreSQL answers at an address: to a request for TLS it says S or N
speaks=$(cat <<'PYTHON'
import socket, sys
try:
    with socket.create_connection((sys.argv[1], 5432), 3) as s:
        s.settimeout(3)
        s.sendall(bytes.fromhex("0000000804d2162f"))
        print(s.recv(1) in (b"S", b"N"))
except OSError:
    print(False)
PYTHON
)
same "members of the database's network" "$(docker network inspect -f '{{.Internal}} {{range .Containers}}{{.Name}} {{end}}' "${project}_database" |
  xargs -n 1 | sed "s/^$project[-_]\(.*\)[-_]1$/\1/" | sort | xargs)" "api postgres true worker"
same "ports of postgres" "$(docker port "$(container postgres)")" ""
same "postgres answers api" "$(dc exec -T api python3 -c "$speaks" postgres)" True
same "postgres answers this machine" "$(python3 -c "$speaks" "$(address postgres database IPAddress)")" False
# a listener on this machine stands for everything outside
python3 -uc 'import socket, time; s = socket.create_server(("", 0)); print(s.getsockname()[1]); time.sleep(600)' >"$work/listener" &
listener=$!
until_ 10 "the listener" grep -q . "$work/listener"
outside="$(address api outside Gateway) $(cat "$work/listener")"
connects() { # SERVICE
  # shellcheck disable=SC2086
  docker exec "$(container "$1")" timeout 5 bash -c 'exec 3<>"/dev/tcp/$0/$1"' $outside 2>/dev/null && echo connects || echo not
}
same "api to a port outside ($outside)" "$(connects api)" connects
same "postgres to a port outside ($outside)" "$(connects postgres)" not
same "worker to a port outside ($outside)" "$(connects worker)" not
kill $listener
listener=
ok "PostgreSQL answers api and not this machine; it and the worker have no way out"

# --- four uploads at once, which lie in /tmp while they come
python3 - "$work/pairs.csv" <<'PYTHON'
import sys
with open(sys.argv[1], "w") as out:
    out.write("artist_id,similar_id\n")
    for i in range(155_000):
        out.write(f"{i:0>200},{i + 1:0>200}\n")
PYTHON
uploads=()
for i in 1 2 3 4; do
  curl -s --max-time 120 -o "$work/upload$i" -w '%{http_code}\n' -H "Authorization: Bearer $key" -F "file=@$work/pairs.csv" \
    "$base/v1/truths?name=upload$i" >"$work/code$i" &
  uploads+=($!)
done
wait "${uploads[@]}"
same "four uploads of $(wc -c <"$work/pairs.csv") bytes, $(head -c 300 "$work/upload1")" "$(cat "$work"/code? | xargs)" "201 201 201 201"
same "files in /tmp after the uploads" "$(dc exec -T api find /tmp -type f)" ""
same "api killed or restarted by the uploads" "$(docker inspect -f '{{.State.OOMKilled}} {{.RestartCount}}' "$(container api)")" "false 0"
peak=$(dc exec -T api sh -c 'cat /sys/fs/cgroup/memory.peak /sys/fs/cgroup/memory/memory.max_usage_in_bytes 2>/dev/null' || true)
ok "four uploads of $(wc -c <"$work/pairs.csv") bytes at once are taken, and leave nothing in /tmp; the container took at most ${peak:-?} bytes, caches included"

# --- queries
artist=a0000337
get "/v1/artists/$artist/similar?k=5" >"$work/similar"
same "artists similar to $artist" "$(of 'len(d["similar"])' <"$work/similar")" 5
same "version of the answer" "$(of 'd["version"]' <"$work/similar")" "$first"
name=$(of 'd["artist"]["name"].split()[0].lower()' <"$work/similar")
same "search for $name finds $artist" "$(get "/v1/artists?q=$name" | of "any(a['id'] == '$artist' for a in d['artists'])")" True
ok "search and similar answer"

# --- a key, and a re-index
same "POST /v1/jobs without a key" "$(key='' post /v1/jobs '{"kind":"reindex"}')" 401
job=$(ask '{"kind":"reindex","params":{}}')
ended "$job" 300
same "version of a re-index of what has not changed" "$(get "/v1/jobs/$job" | of 'd["result"]["version"]')" "$first"
ok "a key is needed, made and taken; a re-index of unchanged tables ends in the same version"

# --- the worker killed in the middle: by hand, which only a start heals, and of itself, which the engine heals
queries_begin
job=$(ask '{"kind":"train","params":{"config":"paper-msd","seed":1}}')
until_ 300 "training" job_at "$job" train
docker kill -s KILL "$(container worker)" >/dev/null
same "state of a job whose worker is dead" "$(get "/v1/jobs/$job" | of 'd["state"]')" running
dc start worker >/dev/null 2>&1
child=$job-5
until_ 600 "re-index after the training" job_at "$child" "embed build"
before=$(restarts worker)
dc exec -T worker sh -c 'kill -9 -1' || true
restarted() { [ "$(restarts worker)" -gt "$before" ]; }
until_ 60 "the engine starts the worker again" restarted
ended "$job" 300
second=$(get "/v1/jobs/$job" | of 'd["result"]["version"]')
same "what the training's re-index promoted" "$(get "/v1/jobs/$child" | of 'd["result"]["promoted"]')" True
[ "$second" != "$first" ] || fail "version of another model: found the first one's"
served() { [ "$(get /readyz | of 'd["version"]')" = "$1" ]; }
until_ 5 "the api takes up $second" served "$second"
queries_end
ok "worker killed in train and in re-index: the job went on and is done, $second is served; $count queries, none failed"

# --- the database away
queries_begin
job=$(ask '{"kind":"train","params":{"config":"paper-msd","seed":2,"promote":false}}')
until_ 120 "training" job_at "$job" train
dc stop postgres >/dev/null 2>&1
away=$SECONDS
unreachable() { # WHAT STATUS
  same "$1 without a database" "$2" 503
  grep -qi '^retry-after: ' "$work/headers" || fail "$1 without a database: found no Retry-After"
}
unreachable "POST /v1/jobs" "$(post /v1/jobs '{"kind":"reindex"}')"
unreachable "GET /v1/jobs" "$(status -H "Authorization: Bearer $key" "$base/v1/jobs")"
[ $((SECONDS - away)) -ge 30 ] || sleep $((30 + away - SECONDS))
dc start postgres >/dev/null 2>&1
until_ 60 "postgres healthy" health_is postgres healthy
back=$SECONDS
taken() { [ "$(post /v1/jobs '{"kind":"reindex"}')" = 202 ]; }
until_ 30 "a re-index is taken" taken
again=$(of 'd["id"]' <"$work/body")
ok "database away for $((back - away)) s: jobs answered 503 with Retry-After, and 202 within $((SECONDS - back)) s of its return"
ended "$job" 600
ended "$again" 300
queries_end
ok "the training that ran all the while is done, the re-index too; $count queries, none failed"

# --- everything again
jobs=$(get /v1/jobs) versions=$(get /v1/index/versions | of 'd["versions"]') promotions=$(get /v1/index/versions | of 'd["promotions"]')
dc restart >/dev/null 2>&1
until_ 120 "api healthy" health_is api healthy
until_ 120 "worker healthy" health_is worker healthy
same "version served" "$(get /readyz | of 'd["version"]')" "$second"
same "jobs" "$(get /v1/jobs)" "$jobs"
same "promotions" "$(get /v1/index/versions | of 'd["promotions"]')" "$promotions"
same "versions" "$(get /v1/index/versions | of 'd["versions"]')" "$versions"
ended "$(ask '{"kind":"reindex"}')" 300
ok "restarted: the same version, $(of 'len(d["jobs"])' <<<"$jobs") jobs, promotions and key"

dc down >/dev/null 2>&1
dc up -d >"$work/up.log" 2>&1 || { cat "$work/up.log"; fail "up again: exit code"; }
until_ 60 "api healthy" health_is api healthy
same "version served" "$(get /readyz | of 'd["version"]')" "$second"
same "promotions" "$(get /v1/index/versions | of 'd["promotions"]')" "$promotions"
ok "down and up: nothing made again, nothing promoted anew"

until_ 90 "worker healthy" health_is worker healthy
dc exec -T worker sh -c 'kill -STOP -1'
until_ 120 "a worker that hangs is unhealthy" health_is worker unhealthy
dc exec -T worker sh -c 'kill -CONT -1'
until_ 60 "worker healthy" health_is worker healthy
ok "a worker that hangs is told to be unhealthy, and healthy when it goes on"

# --- backed up, lost, restored, as docs/operations/failures.md says
dc stop worker >/dev/null 2>&1
dc exec -T postgres sh -c \
  'PGPASSWORD=$(cat /run/secrets/postgres_password) pg_dump -h 127.0.0.1 -U riyl -Fc riyl' >"$work/riyl.dump"
dc exec -T api tar -C /data --exclude=./downloads -cf - . >"$work/home.tar"
jobs=$(get /v1/jobs)
dc down -v >/dev/null 2>&1
dc up -d postgres >/dev/null 2>&1
until_ 60 "postgres healthy" health_is postgres healthy
dc exec -T postgres sh -c \
  'PGPASSWORD=$(cat /run/secrets/postgres_password) pg_restore -h 127.0.0.1 -U riyl -d riyl' <"$work/riyl.dump"
dc run --rm --no-deps -T --entrypoint tar api -C /data -xf - <"$work/home.tar" >/dev/null 2>"$work/restore.log"
dc up -d >"$work/up.log" 2>&1 || { cat "$work/up.log"; fail "up with what was restored: exit code"; }
until_ 60 "api healthy" health_is api healthy
same "version served" "$(get /readyz | of 'd["version"]')" "$second"
same "jobs" "$(get /v1/jobs)" "$jobs"
same "promotions" "$(get /v1/index/versions | of 'd["promotions"]')" "$promotions"
dc exec -T api riyl index verify >/dev/null
ended "$(ask '{"kind":"reindex"}')" 300
ok "backed up ($(wc -c <"$work/riyl.dump") and $(wc -c <"$work/home.tar") bytes), lost and restored: the same version, jobs, promotions and key"

dc down -v >/dev/null 2>&1
same "volumes after down -v" "$(docker volume ls -q --filter "label=com.docker.compose.project=$project")" ""
ok "down -v leaves nothing"

# --- the user's tables, re-indexed on schedule
tables() { # FOLDER ARTISTS: three scenes
  python3 - "$1" "$2" <<'PYTHON'
import csv, random, sys
from pathlib import Path
folder, count = Path(sys.argv[1]), int(sys.argv[2])
words = [["ska", "dub", "roots", "reggae"], ["noise", "drone", "doom", "sludge"], ["bop", "swing", "cool", "modal"]]
chance = random.Random(0)
artists, tags, plays = [("artist_id", "name")], [("artist_id", "tag", "weight")], [("user_id", "artist_id", "count")]
for i in range(count):
    artists.append((f"t{i}", f"Testament {i}"))
    tags += [(f"t{i}", tag, chance.randint(1, 20)) for tag in chance.sample(words[i % 3], 3)]
    plays += [(f"u{i % 3}{user}", f"t{i}", chance.randint(1, 50)) for user in chance.sample(range(40), 8)]
folder.mkdir(exist_ok=True)
for name, rows in (("artists", artists), ("tags", tags), ("plays", plays)):
    with (folder / f"{name}.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
PYTHON
}
tables "$work/tables" 300
chmod 755 "$work" && chmod -R a+rX "$work/tables"
# relative to the compose file
RIYL_TABLES=$(python3 -c 'import os, sys; print(os.path.relpath(sys.argv[1]))' "$work/tables")
export RIYL_TABLES RIYL_REINDEX_CRON='* * * * *'
dc up -d >"$work/up.log" 2>&1 || { cat "$work/up.log"; fail "up with RIYL_TABLES: exit code"; }
until_ 60 "api healthy" health_is api healthy
key=$(dc exec -T api riyl --json keys create test --role admin | of 'd["token"]')
same "artists of the user's tables" "$(get /v1/index | of 'd["artists"]')" 300
same "similar to t0" "$(status -H "Authorization: Bearer $key" "$base/v1/artists/t0/similar?k=5")" 200
ok "RIYL_TABLES=$RIYL_TABLES: the user's 300 artists are served"
tables "$work/tables" 303
known() { get /v1/artists/t302/similar?k=5; }
until_ 180 "artist t302 by the schedule" known >/dev/null
same "who asked for the re-index" "$(get '/v1/jobs?limit=1' | of 'd["jobs"][0]["by"]')" schedule
ok "RIYL_REINDEX_CRON: an artist added to the tables is found, nobody asked"
dc down -v >/dev/null 2>&1
ok "done"
