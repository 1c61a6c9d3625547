//! Every cluster reaches every service: a test for each direction, so that a report says which.

use lab_testing::Error;
use shop::{on_the_lab, reaches};

macro_rules! directions {
    ($($name:ident: $from:literal => $service:literal;)*) => {
        $(#[tokio::test]
        async fn $name() -> Result<(), Error> {
            on_the_lab(stringify!($name), async |lab| reaches(lab, $from, $service).await).await
        })*
    };
}

directions! {
    c1_reaches_web: "c1" => "web";
    c1_reaches_cart: "c1" => "cart";
    c1_reaches_stock: "c1" => "stock";
    c2_reaches_web: "c2" => "web";
    c2_reaches_cart: "c2" => "cart";
    c2_reaches_stock: "c2" => "stock";
    c3_reaches_web: "c3" => "web";
    c3_reaches_cart: "c3" => "cart";
    c3_reaches_stock: "c3" => "stock";
}
