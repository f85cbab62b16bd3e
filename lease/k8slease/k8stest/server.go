package k8stest

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"

	coordination "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Namespace is the only namespace that a Server has.
const Namespace = "payments"

const path = "/apis/coordination.k8s.io/v1/namespaces/" + Namespace + "/leases"

// Server is an http.Handler that serves Lease objects. An update of an object that has
// changed since it was read is refused, as by a Kubernetes API server.
type Server struct {
	mu       sync.Mutex
	version  int
	objects  map[string]coordination.Lease
	watchers map[chan event]string // to the name
	closed   chan struct{}
	meddle   func(*coordination.Lease) bool
}

type event struct {
	Type   string             `json:"type"`
	Object coordination.Lease `json:"object"`
}

// NewServer returns a Server without objects.
func NewServer() *Server {
	return &Server{objects: map[string]coordination.Lease{}, watchers: map[chan event]string{}, closed: make(chan struct{})}
}

// Close ends all watches. It may be called once.
func (s *Server) Close() { close(s.closed) }

// Object returns the object with this name.
func (s *Server) Object(name string) coordination.Lease {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.objects[name]
}

// Edit changes an object by f, as its other users do. It does nothing if there is none.
func (s *Server) Edit(name string, f func(*coordination.Lease)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	object, found := s.objects[name]
	if !found {
		return
	}
	object = *object.DeepCopy()
	f(&object)
	s.put("MODIFIED", object)
}

// Meddle makes f change an object before each update of it, as other users of the
// object do, until f returns false.
func (s *Server) Meddle(f func(*coordination.Lease) (again bool)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.meddle = f
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, path), "/")
	if r.URL.Query().Get("watch") != "" {
		s.watch(w, r, strings.TrimPrefix(r.URL.Query().Get("fieldSelector"), "metadata.name="))
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	object, found := s.objects[name]
	switch r.Method {
	case http.MethodGet:
		if !found {
			refuse(w, http.StatusNotFound, metav1.StatusReasonNotFound)
			return
		}
	case http.MethodPost, http.MethodPut:
		var sent coordination.Lease
		if err := json.NewDecoder(r.Body).Decode(&sent); err != nil {
			refuse(w, http.StatusBadRequest, metav1.StatusReasonBadRequest)
			return
		}
		_, found = s.objects[sent.Name]
		if s.meddle != nil && found && r.Method == http.MethodPut {
			other := s.objects[sent.Name]
			if !s.meddle(&other) {
				s.meddle = nil
			}
			s.put("MODIFIED", other)
		}
		switch {
		case r.Method == http.MethodPost && found:
			refuse(w, http.StatusConflict, metav1.StatusReasonAlreadyExists)
			return
		case r.Method == http.MethodPut && !found:
			refuse(w, http.StatusNotFound, metav1.StatusReasonNotFound)
			return
		case r.Method == http.MethodPut && sent.ResourceVersion != s.objects[sent.Name].ResourceVersion:
			refuse(w, http.StatusConflict, metav1.StatusReasonConflict)
			return
		}
		kind := "ADDED"
		if found {
			kind = "MODIFIED"
		}
		object = s.put(kind, sent)
	}
	answer(w, http.StatusOK, object)
}

// put stores an object under a new version, and tells of it. mu is held.
func (s *Server) put(kind string, object coordination.Lease) coordination.Lease {
	s.version++
	object.ResourceVersion = strconv.Itoa(s.version)
	if object.UID == "" {
		object.UID = types.UID("uid-" + object.ResourceVersion)
	}
	object.TypeMeta = metav1.TypeMeta{Kind: "Lease", APIVersion: "coordination.k8s.io/v1"}
	s.objects[object.Name] = object
	s.tell(event{kind, object})
	return object
}

// Remove deletes an object.
func (s *Server) Remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	object := s.objects[name]
	delete(s.objects, name)
	s.tell(event{"DELETED", object})
}

func (s *Server) tell(e event) {
	for watcher, name := range s.watchers {
		if name == e.Object.Name {
			watcher <- e
		}
	}
}

func (s *Server) watch(w http.ResponseWriter, r *http.Request, name string) {
	events := make(chan event, 1000)
	s.mu.Lock()
	s.watchers[events] = name
	if object, found := s.objects[name]; found {
		events <- event{"ADDED", object}
	}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.watchers, events)
	}()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	for flush := http.NewResponseController(w); ; {
		if flush.Flush() != nil {
			return
		}
		select {
		case e := <-events:
			if json.NewEncoder(w).Encode(e) != nil { //nolint:errchkjson // a client that is gone needs none
				return
			}
		case <-r.Context().Done():
			return
		case <-s.closed:
			return
		}
	}
}

func refuse(w http.ResponseWriter, code int32, reason metav1.StatusReason) {
	answer(w, int(code), metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure,
		Code: code, Reason: reason, Message: string(reason),
	})
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) //nolint:errchkjson // the same
}
