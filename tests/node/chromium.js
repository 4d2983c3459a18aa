// The flags that keep Chromium quiet: no sandbox of its own, nothing asked of the network.
"use strict";
exports.quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
