#!/usr/bin/env node
import { runNodeJs } from "@bufbuild/protoplugin";
import { plainTypes } from "./plain-types.mjs";

runNodeJs(plainTypes);
