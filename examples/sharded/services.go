package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/examples/internal/participant"
	"github.com/cantonlb/cantonlb/jsonapi"
	"github.com/cantonlb/cantonlb/shard"
)

// service is a participant service: two replicas, of which one is active, that share a
// store, and two servers of its JSON API.
type service struct {
	name     string
	parties  []string
	store    participant.Store
	replicas participant.Replicas
	json     []*jsonServer
}

// start starts a service that hosts these parties.
func start(ctx context.Context, name string, parties ...string) (s *service, err error) {
	s = &service{name: name, parties: parties}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.store, err = participant.OpenStore(ctx, participant.Memory); err != nil {
		return s, err
	}
	identity := participant.Service{ID: "participant-" + name + "::1220demo", Parties: parties}
	if s.replicas, err = participant.StartService(ctx, identity, s.store.Address(), name+"-1", name+"-2"); err != nil {
		return s, err
	}
	for i := range 2 {
		server, err := startJSON(ctx, fmt.Sprintf("%s-json-%d", name, i+1), s.replicas)
		if err != nil {
			return s, err
		}
		s.json = append(s.json, server)
	}
	return s, nil
}

func (s *service) close() error {
	for _, j := range s.json {
		j.process.Close()
	}
	s.replicas.Close()
	if s.store == nil {
		return nil
	}
	return s.store.Close()
}

// connect returns the clients of a service, as your program has them: one for the Ledger
// API of its replicas, and one for the servers of its JSON API. The parties that it hosts
// are not configured.
func (s *service) connect() (shard.Shard, error) {
	client, err := cantonlb.NewClient(cantonlb.Config{
		Name: s.name, Role: cantonlb.ParticipantLedger, Endpoints: s.replicas.Endpoints(),
		// A command that is sent again is recognised by its ID, so that it is executed once.
		Idempotent: []string{"/com.daml.ledger.api.v2.CommandService/SubmitAndWait"},
	})
	if err != nil {
		return shard.Shard{}, err
	}
	cfg := jsonapi.Config{Name: s.name + "-json", Policy: jsonapi.RoundRobin, NoneEligible: cantonlb.Wait}
	for _, j := range s.json {
		cfg.Endpoints = append(cfg.Endpoints, j.endpoint())
	}
	servers, err := jsonapi.New(cfg)
	if err != nil {
		return shard.Shard{}, errors.Join(err, client.Close())
	}
	return shard.Shard{Client: client, JSON: servers}, nil
}

// disconnect closes the clients.
func disconnect(x shard.Shard) error {
	err := x.JSON.Close()
	if c, ok := x.Client.(*cantonlb.Client); ok {
		err = errors.Join(err, c.Close())
	}
	return err
}
