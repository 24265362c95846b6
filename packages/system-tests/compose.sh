#!/usr/bin/env bash
# Runs the docker-compose stack beside anything else on this machine: builds it, walks through it, scales it, restarts
# it one container at a time under load and as a whole, kills each container, takes the stack down and up again, and
# starts services with invalid settings. Needs Docker with Compose 2.24 or later. Takes four to ten minutes, removes
# what it made, and ends with `N passed, N failed`. If the stack does not start, the remaining checks are not run.
#   bash packages/system-tests/compose.sh
#   bash packages/system-tests/compose.sh --cluster
# runs docker-compose.cluster.yml over it: restarts each node of each cluster in turn, and kills each primary and
# leader, under load.
set -u
cd "$(dirname "$0")/../.."
export COMPOSE_PROJECT_NAME=cqrs-user-service-check GATEWAY_PORT=18080 MAIL_WEB_PORT=18025
url=http://localhost:$GATEWAY_PORT
here=packages/system-tests/compose
node=node_modules/.bin/node
work=$(mktemp -d)
passed=0 failed=0 not_run=0 broken= load=
[[ ${1-} == --cluster ]] && export COMPOSE_FILE=docker-compose.yml:docker-compose.cluster.yml
scaled=(--scale command-api=2 --scale query-api=3 --scale projector=2)

finish() {
  [[ -n $load ]] && kill "$load" 2>"$work/kill"
  docker compose down --volumes --remove-orphans --timeout 20 >"$work/down" 2>&1
  rm -r "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

check() { # NAME COMMAND…: passes if the command succeeds, and shows its output if it fails
  local name=$1 started=$SECONDS
  if [[ -n $broken ]]; then
    not_run=$((not_run + 1))
  elif "${@:2}" >"$work/check" 2>&1; then
    passed=$((passed + 1))
    echo "ok    $name ($((SECONDS - started)) s)"
  else
    failed=$((failed + 1))
    echo "FAIL  $name ($((SECONDS - started)) s)"
    tail -n 40 "$work/check" | sed 's/^/      /'
    return 1
  fi
}

need() { # NAME COMMAND…: a check without which the later ones say nothing
  check "$@" || broken=$1
}

up() { docker compose up --detach --wait --wait-timeout 180 --no-recreate "$@"; }
walk() { "$node" "$here/walk-through.ts" "$url" "http://localhost:$MAIL_WEB_PORT" "$1"; }

containers() { # SERVICE COUNT: the running containers of a service; fails if there are not that many
  local ids
  ids=$(docker compose ps --quiet "$1") || return 1
  [[ $(grep -c . <<<"$ids") == "$2" ]] || { echo "not $2 containers of $1: ${ids:-none}" >&2 && return 1; }
  echo "$ids"
}

replicas() { # SERVICE: how many `scaled` asks for
  sed "s/.*$1=\([0-9]*\).*/\1/" <<<"${scaled[*]}"
}

only_on_loopback() { # the ports of the gateway and the mail page
  local published
  published=$(docker ps --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" --format '{{.Ports}}' |
    tr ',' '\n' | grep -e '->' | sort -u)
  echo "$published"
  [[ $(wc -l <<<"$published") == 2 ]] && ! grep -qv '^ *127\.0\.0\.1:' <<<"$published"
}

has_reference() { # /docs, and every file that it loads
  local file
  for file in '' / /start.js /style.css /problems.html /openapi.json /scalar.js; do
    curl -fsS -o "$work/reference" "$url/docs$file" && [[ -s $work/reference ]] || return 1
  done
  curl -sS "$url/docs" | grep 'API reference' && curl -sS -X POST "$url/docs/" | grep route-not-found
}

each_replica_answers() {
  local token email ids container
  email="scaled-$RANDOM$RANDOM@example.com"
  ids=$(containers query-api "$(replicas query-api)") || return 1
  post() {
    curl -fsS "$url/api/v1/auth/$1" -H 'Content-Type: application/json' \
      -d "{\"email\":\"$email\",\"password\":\"password123\"${2:-}}"
  }
  post register ',"name":"Scaled","roles":["buyer"]' || return 1
  token=$(post login | sed 's/.*"accessToken":"\([^"]*\)".*/\1/')
  for _ in $(seq 60); do
    curl -fsS -o "$work/answer" "$url/api/v1/users" -H "Authorization: Bearer $token" || return 1
  done
  for container in $ids; do
    docker logs "$container" 2>&1 | grep -c '"route":"/api/v1/users"' || return 1
  done
}

ready() { # CONTAINER
  for _ in $(seq 120); do
    [[ $(docker inspect --format '{{.State.Health.Status}}' "$1") == healthy ]] && return
    sleep 0.5
  done
  return 1
}

restart_in_turn() { # SERVICE: restarts each container when the one before is ready again
  local container ids code=0
  ids=$(containers "$1" "$(replicas "$1")") || return 1
  "$node" "$here/load.ts" "$url" >"$work/load" 2>&1 &
  load=$!
  sleep 3
  for container in $ids; do
    docker restart --time 20 "$container" && ready "$container" || { code=1 && break; }
  done
  sleep 3
  kill "$load"
  wait "$load" || code=$?
  load=
  cat "$work/load"
  cp "$work/load" "$work/load-$1"
  return "$code"
}

kill_and_walk() { # SERVICE
  docker compose kill --signal SIGKILL "$1" && up "${scaled[@]}" && walk again
}

refuses() { # SERVICE SETTING=VALUE… -- NAME…: the service exits with 1 and one line that names each setting
  local service=$1 settings=() said setting
  shift
  while [[ $1 != -- ]]; do settings+=(--env "$1") && shift; done
  shift
  said=$(docker compose run --rm --no-deps -T "${settings[@]}" "$service" 2>"$work/said")
  [[ $? == 1 ]] || { echo "did not exit with 1: $said" && cat "$work/said" && return 1; }
  said=$(grep 'invalid settings' "$work/said")
  echo "$said"
  [[ $(wc -l <<<"$said") == 1 ]] || return 1
  for setting in "$@"; do grep -q "$setting" <<<"$said" || return 1; done
}

hello() { # SERVICE EXPRESSION: a field of MongoDB's answer to `hello`, which needs no user
  docker compose exec -T "$1" mongosh --quiet --eval "$2"
}

primary() { # mongodb-write or mongodb-read: the service that is the primary of its replica set
  local node found
  for _ in $(seq 60); do
    for node in "$1" "$1-2" "$1-3"; do
      found=$(hello "$node" 'db.hello().primary' 2>/dev/null | grep -o "^$1[^:]*") || continue
      [[ $(hello "$found" 'db.hello().isWritablePrimary' 2>/dev/null) == true* ]] && echo "$found" && return
    done
    sleep 0.5
  done
  return 1
}

leader() { # USERS or USERS_DLQ: the service that leads the stream
  local node
  for _ in $(seq 60); do
    for node in nats nats-2 nats-3; do
      docker compose exec -T "$node" wget -q -O- 'http://127.0.0.1:8222/jsz?streams=1' 2>/dev/null |
        tr -d ' \n' | grep -o "\"name\":\"$1\",.*" | grep -o '"leader":"[^"]*"' | head -n 1 | cut -d '"' -f 4 |
        grep . && return
    done
    sleep 0.5
  done
  return 1
}

whole() { # SERVICE: its container is healthy, and a member of its cluster
  local id
  id=$(containers "$1" 1) && ready "$id" || return 1
  [[ $1 == mongodb-* ]] || return 0
  for _ in $(seq 120); do
    [[ $(hello "$1" 'db.hello().isWritablePrimary || db.hello().secondary') == true* ]] && return
    sleep 0.5
  done
  return 1
}

under_load() { # COMMAND…: passes if the command succeeds, and clients see nothing but waits of commands
  local code=0
  "$node" "$here/load.ts" "$url" --elections >"$work/load" 2>&1 &
  load=$!
  sleep 3
  "$@" || code=1
  sleep 5
  kill "$load"
  wait "$load" || code=1
  load=
  cat "$work/load"
  return "$code"
}

restart_nodes() { # SERVICE: each node in turn, when the one before is whole again
  local name
  for name in "$1" "$1-2" "$1-3"; do
    docker compose restart --timeout 60 "$name" && whole "$name" || return 1
  done
}

kill_node() { # SERVICE: kills a node, waits until the others have taken over, and starts it again
  docker compose kill --signal SIGKILL "$1" || return 1
  sleep 15
  docker compose up --detach --no-recreate --no-deps "$1" && whole "$1"
}

kill_first() { # primary|leader NAME
  local found
  found=$("$1" "$2") && echo "$found is the $1 of $2" && kill_node "$found"
}

nothing_differs() {
  local said
  said=$(docker compose run --rm -T operator dist/cli.js verify) || return 1
  echo "$said"
}

under_load_check() { # NAME COMMAND…
  check "$1" under_load "${@:2}"
  [[ -s $work/load ]] && head -n 1 "$work/load" | sed 's/^/      /'
}

if [[ ${1-} == --cluster ]]; then
  need 'the dependencies are installed' node scripts/prepare.mjs
  need 'the images are built' docker compose build
  need 'the cluster starts' up
  check 'the walk-through' walk first
  for name in mongodb-write mongodb-read nats; do
    under_load_check "restarting each node of $name in turn" restart_nodes "$name"
  done
  under_load_check 'SIGKILL of the primary of the write database' kill_first primary mongodb-write
  under_load_check 'SIGKILL of the primary of the read database' kill_first primary mongodb-read
  under_load_check 'SIGKILL of the leader of the events' kill_first leader USERS
  under_load_check 'SIGKILL of the leader of the dead letters' kill_first leader USERS_DLQ
  check 'the read models do not differ from the write side' nothing_differs
  check 'the walk-through, with the user of the first' walk again
else
  need 'the dependencies are installed' node scripts/prepare.mjs
  need 'the images are built' docker compose build
  need 'everything starts' up
  check 'only the gateway and the mail page are published, on loopback' only_on_loopback
  check 'the walk-through' walk first
  check 'the API reference is at /docs' has_reference
  check 'scaling to three query-api, two command-api and two projectors' up "${scaled[@]}"
  check 'the walk-through with several replicas' walk again
  check 'each query-api answers some of the requests' each_replica_answers
  for service in command-api query-api projector; do
    check "restarting each $service in turn, without a failed request" restart_in_turn "$service"
    [[ -f $work/load-$service ]] && head -n 1 "$work/load-$service" | sed 's/^/      /'
  done
  check 'docker compose restart' docker compose restart --timeout 20
  check 'everything is running again' up "${scaled[@]}"
  check 'the walk-through after the restart' walk again
  for service in command-api query-api projector gateway nats valkey mailpit mongodb-write mongodb-read; do
    check "the walk-through after SIGKILL of $service" kill_and_walk "$service"
  done
  check 'docker compose down' docker compose down --timeout 20
  check 'docker compose up on the existing volumes' up
  check 'the walk-through, with the user of the run before' walk again
  check 'command-api names every invalid setting' refuses command-api \
    PORT=80abc LOG_LEVEL=loud MONGODB_URI=nowhere TRUSTED_PROXIES=all JWKS_FILE= -- \
    PORT LOG_LEVEL MONGODB_URI TRUSTED_PROXIES JWKS_FILE
  check 'query-api names every invalid setting' refuses query-api \
    PORT=80abc CACHE_TTL_MS=-1 JWKS_FILE= -- PORT CACHE_TTL_MS JWKS_FILE
  check 'the projector names every invalid setting' refuses projector \
    PORT=80abc SMTP_URL= VERIFY_EVERY_SECONDS=often -- PORT SMTP_URL VERIFY_EVERY_SECONDS
fi
((not_run == 0)) || echo "$not_run checks not run, because this failed: $broken"
echo "$passed passed, $failed failed"
[[ $failed == 0 ]]
