module github.com/cantonlb/cantonlb/lease/etcdlease

go 1.26.0

require (
	github.com/cantonlb/cantonlb v0.0.0
	github.com/stretchr/testify v1.11.1
	go.etcd.io/etcd/api/v3 v3.7.3
	go.etcd.io/etcd/client/v3 v3.7.3
	go.uber.org/goleak v1.3.0
	go.uber.org/zap v1.27.1
)
