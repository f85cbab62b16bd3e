package cantonlb

import (
	"fmt"
	"strings"
	"sync"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/cantonlb/cantonlb/internal/fault"
)

// idempotency reports which methods may be executed more than once: those that the
// config names, those that the role knows, those that the config's function reports,
// and those whose registered proto descriptor has an idempotency_level. It is safe for
// concurrent use.
type idempotency struct {
	methods  map[string]bool // "/pkg.Service/Method"
	services map[string]bool // "/pkg.Service/"
	ask      func(fullMethod string) bool
	// declared has what the registry of the generated stubs says about methods: string
	// -> bool. It has no others, so it cannot grow without end by names that callers
	// make up.
	declared sync.Map
}

// newIdempotency reads names such as "/pkg.Service/Method" and "/pkg.Service/*".
func newIdempotency(names []string, ask func(string) bool) (*idempotency, error) {
	known := &idempotency{methods: make(map[string]bool), services: make(map[string]bool), ask: ask}
	var faults fault.List
	for i, name := range names {
		service, method, ok := strings.Cut(strings.TrimPrefix(name, "/"), "/")
		if !ok || name[0] != '/' || service == "" || method == "" || strings.Contains(method, "/") {
			faults.Check(false, fmt.Sprintf("idempotent[%d]", i), fault.Quote(name),
				`a full method name, such as "/pkg.Service/Method" or "/pkg.Service/*"`)
			continue
		}
		if method == "*" {
			known.services["/"+service+"/"] = true
		} else {
			known.methods[name] = true
		}
	}
	return known, faults.Err()
}

// has reports whether the method may be executed more than once.
func (k *idempotency) has(fullMethod string) bool {
	if k.methods[fullMethod] || k.services[fullMethod[:strings.LastIndexByte(fullMethod, '/')+1]] {
		return true
	}
	if k.ask != nil && k.ask(fullMethod) {
		return true
	}
	if yes, ok := k.declared.Load(fullMethod); ok {
		return yes == true
	}
	method := registered(fullMethod)
	if method == nil {
		return false
	}
	options, ok := method.Options().(*descriptorpb.MethodOptions)
	yes := ok && options.GetIdempotencyLevel() != descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN
	k.declared.Store(fullMethod, yes)
	return yes
}

// unknown returns those of the names, such as "/pkg.Service/Method", that no service has
// whose generated code is part of the program.
func unknown(names []string) []string {
	var out []string
	for _, name := range names {
		service, method, _ := strings.Cut(strings.TrimPrefix(name, "/"), "/")
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
		found, ok := d.(protoreflect.ServiceDescriptor)
		if err != nil || !ok || method != "*" && found.Methods().ByName(protoreflect.Name(method)) == nil {
			out = append(out, name)
		}
	}
	return out
}

// registered looks the method up in the registry of the generated stubs. It returns
// nil if the registry does not have it under exactly this name.
func registered(fullMethod string) protoreflect.MethodDescriptor {
	service, name, _ := strings.Cut(strings.TrimPrefix(fullMethod, "/"), "/")
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service + "." + name))
	if err != nil {
		return nil
	}
	method, ok := d.(protoreflect.MethodDescriptor)
	if !ok || fullMethod != "/"+string(method.Parent().FullName())+"/"+string(method.Name()) {
		return nil
	}
	return method
}

// readOnly lists the methods of Canton's public services that change nothing although
// their registered descriptors do not state it.
var readOnly = map[Role][]string{
	Sequencer: {
		"/com.digitalasset.canton.sequencer.api.v30.SequencerConnectService/GetSynchronizerId",
		"/com.digitalasset.canton.sequencer.api.v30.SequencerConnectService/GetSynchronizerParameters",
		"/com.digitalasset.canton.sequencer.api.v30.SequencerConnectService/Handshake",
		"/com.digitalasset.canton.sequencer.api.v30.SequencerConnectService/VerifyActive",
		"/com.digitalasset.canton.sequencer.api.v30.SequencerService/GetTime",
		"/com.digitalasset.canton.sequencer.api.v30.SequencerService/GetTrafficStateForMember",
	},
	ParticipantLedger: {
		"/com.daml.ledger.api.v2.CommandCompletionService/*",
		"/com.daml.ledger.api.v2.ContractService/*",
		"/com.daml.ledger.api.v2.EventQueryService/*",
		"/com.daml.ledger.api.v2.PackageService/*",
		"/com.daml.ledger.api.v2.StateService/*",
		"/com.daml.ledger.api.v2.UpdateService/*",
		"/com.daml.ledger.api.v2.VersionService/*",
		"/com.daml.ledger.api.v2.admin.IdentityProviderConfigService/GetIdentityProviderConfig",
		"/com.daml.ledger.api.v2.admin.IdentityProviderConfigService/ListIdentityProviderConfigs",
		"/com.daml.ledger.api.v2.admin.PackageManagementService/ListKnownPackages",
		"/com.daml.ledger.api.v2.admin.PackageManagementService/ValidateDarFile",
		"/com.daml.ledger.api.v2.admin.PartyManagementService/GetParticipantId",
		"/com.daml.ledger.api.v2.admin.PartyManagementService/GetParties",
		"/com.daml.ledger.api.v2.admin.PartyManagementService/ListKnownParties",
		"/com.daml.ledger.api.v2.admin.UserManagementService/GetUser",
		"/com.daml.ledger.api.v2.admin.UserManagementService/ListUserRights",
		"/com.daml.ledger.api.v2.admin.UserManagementService/ListUsers",
		"/com.daml.ledger.api.v2.interactive.InteractiveSubmissionService/GetPreferredPackageVersion",
		"/com.daml.ledger.api.v2.interactive.InteractiveSubmissionService/GetPreferredPackages",
		"/com.daml.ledger.api.v2.interactive.InteractiveSubmissionService/PrepareSubmission",
	},
}

// alwaysReadOnly lists the read-only methods of every role.
var alwaysReadOnly = []string{"/grpc.health.v1.Health/*"}
