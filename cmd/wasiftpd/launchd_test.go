package main

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// The property list for launchd has keys of launchd.plist(5) only, gives a stop the time that it
// may take, and starts the program with flags and variables that are there.
func TestPropertyList(t *testing.T) {
	t.Parallel()
	const toJSON = `import json, plistlib; print(json.dumps(plistlib.load(open("packaging/wasiftpd.plist", "rb"))))`
	text, err := exec.Command(tool(t, "python3"), "-c", toJSON).Output()
	if err != nil {
		t.Fatal(err)
	}
	type limits struct{ NumberOfFiles int }
	var job struct {
		Label, UserName, WorkingDirectory, Umask, ProcessType, StandardErrorPath string

		ProgramArguments                       []string
		EnvironmentVariables                   map[string]string
		SoftResourceLimits, HardResourceLimits limits
		RunAtLoad                              bool
		KeepAlive                              struct{ SuccessfulExit *bool }
		ExitTimeOut                            int
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&job); err != nil {
		t.Fatal(err)
	}
	if !job.RunAtLoad || job.KeepAlive.SuccessfulExit == nil || *job.KeepAlive.SuccessfulExit {
		t.Errorf("it is not started at once and after failures: %s", text)
	}
	if !slices.Contains([]string{"Background", "Standard", "Adaptive", "Interactive"}, job.ProcessType) {
		t.Errorf("there is no ProcessType %s", job.ProcessType)
	}
	var variables []string
	for name, value := range job.EnvironmentVariables {
		variables = append(variables, name+"="+value)
	}
	var o options
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	newSettings(f, &o)
	command, arguments, err := new(program).command().Find(job.ProgramArguments[1:])
	if err != nil || command.Name() != "serve" {
		t.Fatalf("%q runs %v, %v", job.ProgramArguments, command, err)
	}
	if err := f.Parse(arguments); err != nil || o.file == "" {
		t.Errorf("%q: %v", arguments, err)
	}
	if faults := readVariables(f, variables); len(faults) > 0 || o.stateDir == "" || o.cacheDir == "" {
		t.Errorf("%q: %v", variables, faults)
	}
	if wait := time.Duration(job.ExitTimeOut) * time.Second; wait < o.stopTimeout+closingTime {
		t.Errorf("a stop is given %v", wait)
	}
}
