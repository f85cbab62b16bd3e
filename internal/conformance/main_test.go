package main

import (
	"io"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc/grpclog"
)

// logger is grpc's for the whole process.
var logger = &fatal{LoggerV2: grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard)}

func TestMain(m *testing.M) {
	grpclog.SetLoggerV2(logger)
	goleak.VerifyTestMain(m)
}
