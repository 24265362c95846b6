#!/usr/bin/env bash
# Tests the docker-compose stack in a project of its own: builds it, walks through it, scales it, restarts one container at
# a time under load, restarts everything, kills each container, takes it down and up again, and starts it with invalid
# settings. Needs Docker with Compose 2.24 or later; takes four to ten minutes, prints `N passed, N failed` at the end, and
# removes everything that it created.
#   bash packages/system-tests/compose.sh
set -u
cd "$(dirname "$0")/../.."
export COMPOSE_PROJECT_NAME=cqrs-user-service-check GATEWAY_PORT=18080 MAIL_WEB_PORT=18025
url=http://localhost:$GATEWAY_PORT
here=packages/system-tests/compose
node=node_modules/.bin/node
work=$(mktemp -d)
passed=0 failed=0 load=
scaled=(--scale command-api=2 --scale query-api=3 --scale projector=2)

finish() {
  [[ -n $load ]] && kill "$load" 2>"$work/kill"
  docker compose down --volumes --remove-orphans --timeout 20 >"$work/down" 2>&1
  rm -r "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

check() { # NAME COMMAND…: runs the command, and shows its output if it fails
  local name=$1 started=$SECONDS
  if "${@:2}" >"$work/check" 2>&1; then passed=$((passed + 1)) && echo "ok    $name ($((SECONDS - started)) s)"
  else failed=$((failed + 1)) && echo "FAIL  $name ($((SECONDS - started)) s)" && tail -n 40 "$work/check" | sed 's/^/      /'
  fi
}

up() { docker compose up --detach --wait --wait-timeout 180 --no-recreate "$@"; }
walk() { "$node" "$here/walk-through.ts" "$url" "http://localhost:$MAIL_WEB_PORT" "$1"; }
containers() { docker compose ps --quiet "$@"; }

only_on_loopback() { # two published ports, both on 127.0.0.1
  local published
  published=$(docker ps --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" --format '{{.Ports}}' | tr ',' '\n' | grep -e '->' | sort -u)
  echo "$published"
  [[ $(wc -l <<<"$published") == 2 ]] && ! grep -qv '^ *127\.0\.0\.1:' <<<"$published"
}

has_reference() { # /docs, with every file that it loads
  local file
  for file in '' / /start.js /openapi.json /swagger-ui.css /swagger-ui-bundle.js; do
    curl -fsS -o "$work/reference" "$url/docs$file" && [[ -s $work/reference ]] || return 1
  done
  curl -sS "$url/docs" | grep 'API reference' && curl -sS -X POST "$url/docs/" | grep route-not-found
}

each_replica_answers() {
  local token email answering=0
  email="scaled-$RANDOM$RANDOM@example.com"
  post() { curl -sS "$url/api/v1/auth/$1" -H 'Content-Type: application/json' -d "{\"email\":\"$email\",\"password\":\"password123\",\"name\":\"Scaled\",\"roles\":[\"buyer\"]}"; }
  post register
  token=$(post login | sed 's/.*"accessToken":"\([^"]*\)".*/\1/')
  for _ in $(seq 60); do curl -sS -o "$work/answer" "$url/api/v1/users" -H "Authorization: Bearer $token"; done
  for container in $(containers query-api); do
    docker logs "$container" 2>&1 | grep -c '"route":"/api/v1/users"' && answering=$((answering + 1))
  done
  [[ $answering == 3 ]]
}

ready() { # CONTAINER
  for _ in $(seq 120); do
    [[ $(docker inspect --format '{{.State.Health.Status}}' "$1") == healthy ]] && return
    sleep 0.5
  done
  return 1
}

restart_in_turn() { # SERVICE: restarts its containers one by one, the next when the previous is ready
  local container
  "$node" "$here/load.ts" "$url" >"$work/load" 2>&1 &
  load=$!
  sleep 3
  for container in $(containers "$1"); do docker restart --time 20 "$container" && ready "$container" || return 1; done
  sleep 3
  kill "$load"
  wait "$load"
  local code=$?
  load=
  cat "$work/load"
  cp "$work/load" "$work/load-$1"
  return "$code"
}

kill_and_walk() { # SERVICE
  docker compose kill --signal SIGKILL "$1" && up "${scaled[@]}" && walk again
}

refuses() { # SERVICE SETTING=VALUE… -- NAME…: exits with 1 and one line that contains each name
  local service=$1 settings=() output setting
  shift
  while [[ $1 != -- ]]; do settings+=(--env "$1") && shift; done
  shift
  output=$(docker compose run --rm --no-deps -T "${settings[@]}" "$service" 2>"$work/errors")
  [[ $? == 1 ]] || { echo "it did not exit with 1: $output" && cat "$work/errors" && return 1; }
  output=$(grep ' settings: ' "$work/errors")
  echo "$output"
  [[ $(wc -l <<<"$output") == 1 ]] || return 1
  for setting in "$@"; do grep -q "$setting" <<<"$output" || return 1; done
}

node scripts/prepare.mjs
check 'the images are built' docker compose build
check 'everything starts' up
# Every other check needs the running stack.
[[ $failed == 0 ]] || { echo "$passed passed, $failed failed" && exit 1; }
check 'only the gateway and the mail page are published, on loopback' only_on_loopback
check 'the walk-through' walk first
check 'the API reference is at /docs' has_reference
check 'scaling to three query-api, two command-api and two projectors' up "${scaled[@]}"
check 'the walk-through with several replicas' walk again
check 'each of three query-api replicas answers requests' each_replica_answers
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
check 'docker compose up with the data of before' up
check 'the walk-through, with the user of before' walk again
check 'command-api names every invalid setting' refuses command-api PORT=80abc LOG_LEVEL=loud MONGODB_URI=nowhere TRUSTED_PROXIES=all JWKS_FILE= -- PORT LOG_LEVEL MONGODB_URI TRUSTED_PROXIES JWKS_FILE
check 'query-api names every invalid setting' refuses query-api PORT=80abc CACHE_TTL_MS=-1 JWKS_FILE= -- PORT CACHE_TTL_MS JWKS_FILE
check 'the projector names every invalid setting' refuses projector PORT=80abc SMTP_URL= VERIFY_EVERY_SECONDS=often -- PORT SMTP_URL VERIFY_EVERY_SECONDS
echo "$passed passed, $failed failed"
[[ $failed == 0 ]]
