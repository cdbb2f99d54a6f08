//! The agent's own metrics, to the endpoint of the spans.

use std::time::Duration;

use lanewire::otlp::settings::Protocol;
use lanewire::telemetry::SelfTelemetry;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;

use super::grpc::{anywhere, serve};
use super::script::Script;
use super::shop::{LONG, Shop, options};

#[tokio::test(flavor = "multi_thread")]
async fn every_counter_reaches_the_collector_with_its_labels() {
    let script = Script::new([]);
    let mut server = serve(anywhere(), &script).await;
    let shop = Shop::open(&options(Protocol::Grpc, &server.url));
    let telemetry = SelfTelemetry::start(&shop.settings, &shop.sink, LONG, &shop.registry, [])
        .expect("telemetry");
    // Registered after the start, as a reason for dropping would be.
    let labels = [("map", "flows")];
    shop.registry
        .counter("lanewire.kernel.lost", "{record}", "Lost.", &labels)
        .add(7);
    // So would the duration of a request.
    let labels = [("outcome", "taken")];
    let took = shop.registry.histogram("lanewire.took", "Took.", &labels);
    took.record(Duration::from_millis(70));
    took.record(Duration::from_secs(20));
    telemetry.shutdown().await.expect("a last export");

    let request = tokio::time::timeout(Duration::from_secs(30), server.metrics.recv()).await;
    let request = request.expect("in time").expect("metrics");
    let resource = &request.resource_metrics[0];
    let attributes = &resource.resource.as_ref().expect("a resource").attributes;
    assert!(attributes.iter().any(|pair| {
        pair.key == "service.name" && format!("{:?}", pair.value).contains("\"lanewire\"")
    }));
    let metrics = &resource.scope_metrics[0].metrics;
    assert!(
        metrics
            .iter()
            .any(|metric| metric.name == "lanewire.exporter.spans.sent")
    );
    let lost = metrics
        .iter()
        .find(|metric| metric.name == "lanewire.kernel.lost")
        .expect("lost");
    assert_eq!(lost.unit, "{record}");
    let Some(Data::Sum(sum)) = &lost.data else {
        panic!("{:?} is no sum", lost.data)
    };
    assert!(sum.is_monotonic);
    assert_eq!(sum.data_points[0].value, Some(Value::AsInt(7)));
    assert_eq!(sum.data_points[0].attributes[0].key, "map");

    let took = metrics.iter().find(|metric| metric.name == "lanewire.took");
    let took = took.expect("took");
    assert_eq!(took.unit, "s");
    let Some(Data::Histogram(histogram)) = &took.data else {
        panic!("{:?} is no histogram", took.data)
    };
    let point = &histogram.data_points[0];
    assert_eq!((point.count, point.sum), (2, Some(20.07)));
    let of = |bound| point.explicit_bounds.partition_point(|b| *b < bound);
    assert_eq!(point.bucket_counts[of(0.07)], 1);
    assert_eq!(point.bucket_counts.last(), Some(&1));
    assert_eq!(point.attributes[0].key, "outcome");
}
