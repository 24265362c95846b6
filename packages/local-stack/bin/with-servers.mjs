#!/usr/bin/env node
import "../dist/with-servers.js"
