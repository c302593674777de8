#!/usr/bin/env bash
# Prints the version that a Release build of this clone has: 1.2.3, 1.2.4-dev.4+abc1234, or one that ends in -unversioned.
set -euo pipefail
cd "$(dirname "$0")/../.."
dotnet msbuild src/Standalone -t:PrintVersion -p:Configuration=Release -nologo -verbosity:minimal | sed 's/^ *//'
