#!/usr/bin/env bash
# Fetches an Apache Kafka broker for tests/tests/messaging.rs from Maven Central, once: 43 MB of jars
# into ~/.cache/lanewire-backends/kafka. Needs Maven; the tests need a Java of version 17 or higher.
set -euo pipefail

VERSION=4.1.2

directory="${XDG_CACHE_HOME:-$HOME/.cache}/lanewire-backends/kafka"
[ ! -d "$directory" ] || exit 0
command -v mvn >/dev/null || {
    printf 'error: Maven is not installed (package maven)\n' >&2
    exit 1
}

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cat >"$work/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>lanewire</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>$VERSION</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-simple</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
POM
mvn -q -B -f "$work/pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
    -DoutputDirectory="$work/kafka"
mkdir -p "$(dirname "$directory")"
mv "$work/kafka" "$directory"
